# Signals while calls wait: a handler runs and the call goes on; an exception leaves it.
import signal
import socket
import time

calls = 0


def tick(number, frame):
    global calls
    calls += 1


class Enough(Exception):
    pass


def leave(number, frame):
    raise Enough


server = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
conn = socket.create_connection(server.getsockname())
peer, _ = server.accept()
for what, call in [
    ("accept", server.accept),
    ("recvfrom", lambda: udp.recvfrom(10)),
    ("recvmsg", lambda: udp.recvmsg(10)),
    ("recv", lambda: conn.recv(10)),
    ("sendall", lambda: conn.sendall(bytes(100_000_000))),
]:
    signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    try:
        call()
    except Enough:
        print(what, "left", "soon" if time.monotonic() - start < 5 else "late")

signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
udp.settimeout(0.5)
try:
    udp.recvfrom(10)
except TimeoutError as error:
    print("recvfrom", error, calls >= 3)
signal.setitimer(signal.ITIMER_REAL, 0)
