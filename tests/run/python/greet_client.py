# Says its name, reads the greeting.
import socket
import sys

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(("127.0.0.1", 50007))
print("to", client.getpeername(), "from", client.getsockname()[0])
client.send(sys.argv[1].encode())
print(client.recv(1024).decode())
print("then", client.recv(1024))
client.close()
