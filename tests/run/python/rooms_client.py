# A guest of the room: keyboard and socket in one select.
import select
import socket
import sys

s = socket.create_connection(("127.0.0.1", 50007))
print("in")
while True:
    for ready in select.select([s, sys.stdin], [], [])[0]:
        if ready is s:
            print("heard", s.recv(1000).decode().strip())
        else:
            line = sys.stdin.readline()
            if not line or line == "bye\n":
                sys.exit()
            s.sendall(line.encode())
