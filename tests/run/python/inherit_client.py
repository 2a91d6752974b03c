# Says hello four times.
import socket

for _ in range(4):
    with socket.create_connection(("127.0.0.1", 50007)) as s:
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        data = b""
        while piece := s.recv(100):
            data += piece
        print(data)
