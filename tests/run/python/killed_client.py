# How the connections of a server that is killed end.
import errno
import socket


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


first = socket.create_connection(("127.0.0.1", 8007))
second = socket.create_connection(("127.0.0.1", 8007))
for s in first, second:
    s.send(b"x")
print(first.recv(100), second.recv(100))
print("nothing left unread", outcome(first.recv, 100))
print("something left unread", outcome(second.recv, 100))
