# Has two connections, and leaves unread what the second client sends; until it is killed.
import socket

server = socket.create_server(("127.0.0.1", 8007))
print("waiting")
first, second = server.accept()[0], server.accept()[0]
first.recv(100)
second.recv(100, socket.MSG_PEEK)
for s in first, second:
    s.send(b"hello")
print("served")
server.accept()
