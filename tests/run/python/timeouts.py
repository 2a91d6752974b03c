# Time limits on every call that waits.
import socket
import time


def limited(what, call):
    start = time.monotonic()
    try:
        print(what, "gave", call())
    except (TimeoutError, BlockingIOError) as error:
        took = time.monotonic() - start
        print(what, type(error).__name__, error, "in time" if took < 5 else f"after {took} s")


server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
server.settimeout(0.2)
limited("accept", server.accept)
client = socket.socket()
client.settimeout(0.2)
client.connect(server.getsockname())
conn, _ = server.accept()
print("accepted has timeout", conn.gettimeout())
limited("recv", lambda: client.recv(10))
conn.sendall(b"x")
limited("recv", lambda: client.recv(10))
limited("sendall", lambda: client.sendall(bytes(50_000_000)))
client.setblocking(False)
limited("recv", lambda: client.recv(10))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(0.2)
udp.bind(("127.0.0.1", 0))
limited("recvfrom", lambda: udp.recvfrom(10))
udp.sendto(b"to myself", udp.getsockname())
limited("recvfrom", lambda: udp.recvfrom(10)[0])
