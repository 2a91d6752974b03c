# SO_LINGER with a time: close waits until what was sent has been acknowledged, at most so long.
import errno
import os
import socket
import struct
import threading
import time


def pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def fill(s):
    s.setblocking(False)
    total = 0
    try:
        while True:
            total += s.send(bytes(65536))
    except BlockingIOError:
        s.setblocking(True)
        return total


def lingers(s, seconds):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))


def read_all(s):
    total = 0
    while data := s.recv(1 << 20):
        total += len(data)
    return total


def timed(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


# Nobody reads: the whole time passes.
a, b = pair()
sent = fill(a)
lingers(a, 1)
took = timed(a.close)
print("nobody reads", 0.9 < took < 5, read_all(b) == sent)

# Somebody reads after a while.
a, b = pair()
sent = fill(a)
lingers(a, 30)
read = []
thread = threading.Thread(target=lambda: (time.sleep(0.5), read.append(read_all(b))))
thread.start()
took = timed(a.close)
thread.join()
print("somebody reads", 0.4 < took < 20, read == [sent])

# Nothing was sent.
a, b = pair()
lingers(a, 30)
print("nothing sent", timed(a.close) < 5, b.recv(1))

# Another descriptor stays: it is no close.
a, b = pair()
other = a.dup()
sent = fill(a)
lingers(a, 30)
print("dup", timed(a.close) < 5)
other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
print("without", timed(other.close) < 5, read_all(b) == sent)
