# Datagrams of several sizes, and one to a port where nobody is.
import os
import select
import socket

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server = ("127.0.0.1", 50007)
for message in [b"hello", b"", b"x" * 2000, b"quit"]:
    sock.sendto(message, server)
    data, addr = sock.recvfrom(4096)
    print(len(data), data[:5], addr)
try:
    sock.sendto(bytes(70_000), server)
except OSError as error:
    print("too long:", error)

connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
connected.settimeout(10)
connected.connect(("127.0.0.1", 9))
connected.send(b"anybody?")
# recv itself says ECONNRESET under `run`: the descriptor is an AF_UNIX socket, which has no other word. What the error is, is
# asked of the socket.
print("heard:", select.select([connected], [], [], 10)[0] == [connected])
print("nobody:", os.strerror(connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
