# Urgent data: MSG_OOB, select's exceptional set, POLLPRI, SIGURG, SIOCATMARK, SO_OOBINLINE.
import array
import fcntl
import os
import select
import signal
import socket

SIOCATMARK = 0x8905


def at_mark(sock):
    answer = array.array("i", [0])
    fcntl.ioctl(sock, SIOCATMARK, answer)
    return answer[0]


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return os.strerror(error.errno)


def pair(inline=False):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def exactly(sock, count):
    got = b""
    while len(got) < count:
        got += sock.recv(count - len(got))
    return got


urged = []
signal.signal(signal.SIGURG, lambda number, frame: urged.append(number))

client, server = pair()
fcntl.fcntl(server, fcntl.F_SETOWN, os.getpid())
print("nothing", outcome(server.recv, 1, socket.MSG_OOB), at_mark(server))
print("sent", client.send(b"ordinary!", socket.MSG_OOB))
print("exceptional", len(select.select([], [], [server], 30)[2]))
poll = select.poll()
poll.register(server, select.POLLPRI)
print("poll", [events for _, events in poll.poll(30000)])
print("signal", urged == [signal.SIGURG])
print("before", exactly(server, 8), at_mark(server))
print("peeked", server.recv(10, socket.MSG_OOB | socket.MSG_PEEK), "read", server.recv(10, socket.MSG_OOB))
print("again", outcome(server.recv, 10, socket.MSG_OOB), poll.poll(0))
client.send(b"after")
print("behind", exactly(server, 5), at_mark(server))

# The other way round, with bytes on both sides; the reader never asks for the urgent one.
server.send(b"one")
server.send(b"2", socket.MSG_OOB)
server.send(b"three")
print("exceptional", len(select.select([], [], [client], 30)[2]))
print("up to the mark", exactly(client, 3), at_mark(client))
print("passed over", exactly(client, 5), at_mark(client))

# In line; recvfrom and recvmsg see the mark too.
client, server = pair(inline=True)
print("in line", server.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE))
client.send(b"abc", socket.MSG_OOB)
client.send(b"def")
poll = select.poll()
poll.register(server, select.POLLPRI)
print("poll", [events for _, events in poll.poll(30000)])
print("none aside", outcome(server.recv, 1, socket.MSG_OOB))
print("up to the mark", server.recvfrom(100)[0], at_mark(server))
print("from the mark", exactly(server, 4), at_mark(server))

# A megabyte before it, a megabyte behind it: the mark stands where it was set.
client, server = pair()
server.settimeout(60)
if os.fork() == 0:
    client.sendall(bytes(1_000_000))
    client.send(b"!", socket.MSG_OOB)
    client.sendall(b"x" * 1_000_000)
    client.close()
    os._exit(0)
client.close()
print("before the mark", exactly(server, 1_000_000) == bytes(1_000_000))
select.select([], [], [server], 60)
print("at the mark", at_mark(server), server.recv(1, socket.MSG_OOB))
behind = b""
while data := server.recv(65536):
    behind += data
print("behind it", len(behind), set(behind) == {ord("x")})
os.wait()
