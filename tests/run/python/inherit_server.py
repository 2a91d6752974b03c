# Sockets that other processes have: forked, exec'd as standard input and output, and sent over a unix socket.
import array
import os
import socket
import subprocess
import sys

server = socket.create_server(("127.0.0.1", 50007))
print("ready")

# fork: the child answers, the parent has closed its copy.
conn, _ = server.accept()
if os.fork() == 0:
    conn.sendall(b"from the child " + conn.recv(100))
    os._exit(0)
conn.close()
os.wait()

# exec: the connection is another program's stdin and stdout.
conn, _ = server.accept()
subprocess.run(["tr", "a-z", "A-Z"], stdin=conn, stdout=conn, check=True)
conn.close()

# SCM_RIGHTS: a worker that never had the listener answers on the connection.
ours, theirs = socket.socketpair(socket.AF_UNIX)
if os.fork() == 0:
    server.close()
    ours.close()
    _, fds, _, _ = socket.recv_fds(theirs, 10, 1)
    handed = socket.socket(fileno=fds[0])
    print("handed over:", handed.family.name, handed.type.name, handed.getsockname())
    handed.sendall(b"from the worker " + handed.recv(100))
    os._exit(0)
theirs.close()
conn, _ = server.accept()
socket.send_fds(ours, [b"x"], [conn.fileno()])
conn.close()
os.wait()

# dup2, and a listener that a child accepts from.
copy = server.dup()
server.close()
if os.fork() == 0:
    conn, _ = copy.accept()
    os.dup2(conn.fileno(), 100)
    conn.close()
    os.write(100, b"by dup2 " + os.read(100, 100))
    os._exit(0)
os.wait()
copy.close()
print("done")
