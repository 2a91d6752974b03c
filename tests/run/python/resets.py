# How connections end: FIN, RST after unread data, linger 0, writing to who has gone.
import errno
import signal
import socket
import struct


def outcome(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def until_error(s):
    for _ in range(1000):
        end = outcome(lambda: s.send(b"x"))
        if end != 1:
            return end


a, b = pair()
a.sendall(b"last")
a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
a.close()
print("aborted", outcome(lambda: b.recv(10)))

a, b = pair()
b.sendall(b"unread")
a.recv(1, socket.MSG_PEEK)
a.close()
print("closed with unread data", outcome(lambda: b.recv(10)), outcome(lambda: b.recv(10)))

a, b = pair()
a.close()
print("closed", outcome(lambda: b.recv(10)), until_error(b), outcome(lambda: b.send(b"x")))

a, b = pair()
a.shutdown(socket.SHUT_RDWR)
print("shut", outcome(lambda: a.recv(10)), outcome(lambda: a.send(b"x")), outcome(lambda: b.recv(10)))
print("names", a.getpeername() == b.getsockname(), outcome(socket.socket().getpeername))
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
print("SIGPIPE next")
a.send(b"x")
