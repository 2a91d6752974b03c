# Greets one client, and ends.
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", 50007))
server.listen(1)
print("waiting")
conn, addr = server.accept()
print("connected by", addr[0])
name = conn.recv(1024).decode()
conn.send(f"Hello, {name}!".encode())
conn.close()
server.close()
