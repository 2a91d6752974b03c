# The beginner's port scanner.
import errno
import socket

open_port = socket.create_server(("127.0.0.1", 0))
for port, what in [(open_port.getsockname()[1], "open"), (9, "closed"), (50008, "closed")]:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(5)
    result = s.connect_ex(("127.0.0.1", port))
    print(what, result, errno.errorcode.get(result))
    s.close()
for address in ["127.0.0.1", "::1"]:
    try:
        socket.create_connection((address, 9), timeout=5)
    except OSError as error:
        print(address, type(error).__name__, error)
s = socket.socket()
s.setblocking(False)
print(errno.errorcode[s.connect_ex(open_port.getsockname())])
try:
    socket.create_server(open_port.getsockname())
except OSError as error:
    print(errno.errorcode[error.errno])
