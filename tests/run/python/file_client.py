# Takes what file_server.py sends, and sends it back.
import hashlib
import socket

with socket.socket(socket.AF_INET6) as client:
    client.connect(("::1", 50007))
    pieces = []
    while piece := client.recv(10000):
        pieces.append(piece)
    data = b"".join(pieces)
    print("received", len(data), hashlib.sha256(data).hexdigest())
    client.sendall(data)
