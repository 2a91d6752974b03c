# Three conversations at once, then the datagrams' twin.
import socket
import sys

if sys.argv[1] == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", 50007))
    for word in [b"one", b"two"]:
        s.send(word)
        print(s.recv(100))
else:
    conns = [socket.create_connection(("127.0.0.1", 50007)) for _ in range(3)]
    files = [c.makefile("rwb") for c in conns]
    for n, f in reversed(list(enumerate(files))):
        f.write(b"conversation %d\n" % n)
        f.flush()
        print(f.readline())
    for c, f in zip(conns, files):
        c.shutdown(socket.SHUT_WR)
        print("end", f.read())
        f.close()
        c.close()
