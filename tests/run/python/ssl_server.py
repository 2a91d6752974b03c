# TLS with a certificate of one's own: echoes one client.
import socket
import ssl

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
with socket.create_server(("127.0.0.1", 50443)) as server, context.wrap_socket(server, server_side=True) as tls:
    print("ready")
    conn, addr = tls.accept()
    with conn:
        while data := conn.recv(65536):
            conn.sendall(data)
    print("done")
