# Names on the command line, one connection each.
import socket
import sys

for name in sys.argv[1:]:
    s = socket.socket()
    s.connect(("127.0.0.1", 50007))
    s.sendall(name.encode() + b"\n")
    print(s.makefile().read(), end="")
    s.close()
