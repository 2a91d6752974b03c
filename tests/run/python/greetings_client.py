# As many clients at once as the argument says, each a process.
import os
import socket
import sys

children = []
for n in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        s = socket.create_connection(("127.0.0.1", 50007))
        s.sendall(b"child %d\n" % n)
        same = s.makefile().read() == f"Hello, child {n}\n"
        os._exit(0 if same else 1)
    children.append(pid)
print(sum(os.waitpid(pid, 0)[1] == 0 for pid in children), "greeted")
