# What TCP refuses: calls on sockets that are not connected, a listener that was shut down, a queue that is full, a peer that reset.
import errno
import select
import signal
import socket
import struct
import threading
import time


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def bits(mask):
    names = ["IN", "PRI", "OUT", "ERR", "HUP", "RDHUP"]
    return "|".join(n for n in names if mask & getattr(select, "POLL" + n)) or "-"


def poll(s, timeout=0):
    p = select.poll()
    p.register(s, select.POLLIN | select.POLLRDHUP)
    return [bits(found) for _, found in p.poll(timeout)]


LINGER_0 = struct.pack("ii", 1, 0)

# Neither connected nor listening.
fresh, bound = socket.socket(), socket.socket()
bound.bind(("127.0.0.1", 0))
signals = []
signal.signal(signal.SIGPIPE, lambda *_: signals.append("SIGPIPE"))
for s in fresh, bound:
    print("recvmsg", outcome(s.recvmsg, 1), "recvfrom", outcome(s.recvfrom, 1), outcome(s.recvfrom, 1, socket.MSG_DONTWAIT))
    print("sendmsg", outcome(s.sendmsg, [b"x"]), len(signals), "sendto", outcome(s.sendto, b"x", ("127.0.0.1", 9)), len(signals))
    print("quietly", outcome(s.sendmsg, [b"x"], [], socket.MSG_NOSIGNAL), len(signals))
    print("shutdown", outcome(s.shutdown, socket.SHUT_WR), outcome(s.getpeername), poll(s))
    print("accept", outcome(s.accept))
    signals.clear()

# A listener.
listener = socket.create_server(("127.0.0.1", 0))
at = listener.getsockname()
client = socket.create_connection(at)
for s in client, listener.accept()[0]:
    print("a connection's", outcome(s.accept), outcome(s.listen), outcome(s.connect, at), outcome(s.bind, at))
    s.close()
print("a listener's", outcome(listener.recvfrom, 1), outcome(listener.sendmsg, [b"x"]), outcome(listener.connect, at))
signals.clear()
waiting = []
thread = threading.Thread(target=lambda: waiting.append(outcome(listener.accept)))
thread.start()
while not (open(f"/proc/self/task/{thread.native_id}/stat").read().rsplit(")")[1].split()[0] == "S"):
    pass
time.sleep(0.2)
print("shut down", outcome(listener.shutdown, socket.SHUT_RDWR))
thread.join(10)
print("accept that waited", waiting)
print("accept", outcome(listener.accept), "HUP" in poll(listener)[0], "connect", outcome(socket.create_connection, at))
listener.setblocking(False)
print("accept", outcome(listener.accept))

# More come than the queue has room for.
for backlog in 1, 4:
    full = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    clients = []
    for _ in range(backlog + 4):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(full.getsockname())
        clients.append(c)
        select.select([], [c], [], 0.3)
    stands = [c for c in clients if select.select([], [c], [], 0)[1]]
    print("backlog", backlog, "stand", len(stands))
    for _ in stands:
        full.accept()
    for c in clients:
        c.close()
    full.close()

# The peer resets before accept.
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
name = client.getsockname()
client.send(b"last words")
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
client.close()
time.sleep(0.3)
s, peer = listener.accept()
print("accepted", peer == name, outcome(s.getpeername), poll(s), outcome(s.recv, 20), outcome(s.recv, 20), outcome(s.send, b"x"))
client = socket.create_connection(listener.getsockname())
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
client.close()
time.sleep(0.3)
s, peer = listener.accept()
print("accepted", peer != name, poll(s), outcome(s.recv, 20), outcome(s.recv, 20))
