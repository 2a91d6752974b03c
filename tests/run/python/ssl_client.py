# TLS: checks the name and the certificate, and moves a megabyte.
import socket
import ssl
import threading

context = ssl.create_default_context(cafile="cert.pem")
with socket.create_connection(("127.0.0.1", 50443)) as plain:
    with context.wrap_socket(plain, server_hostname="localhost") as tls:
        print(tls.version(), dict(x[0] for x in tls.getpeercert()["subject"]))
        data = bytes(range(256)) * 4096
        sender = threading.Thread(target=tls.sendall, args=(data,))
        sender.start()
        got = b""
        while len(got) < len(data):
            got += tls.recv(65536)
        sender.join()
        print("same:", got == data)
