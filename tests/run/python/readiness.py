# select, poll and epoll (level and edge) over our sockets and the kernel's pipes together.
import errno
import os
import select
import socket


def bits(mask):
    names = ["IN", "PRI", "OUT", "ERR", "HUP", "RDHUP"]
    return "|".join(n for n in names if mask & getattr(select, "POLL" + n)) or "-"


def poll(fd, timeout=0):
    p = select.poll()
    p.register(fd, select.POLLIN | select.POLLOUT | select.POLLPRI | select.POLLRDHUP)
    return bits(p.poll(timeout)[0][1]) if p.poll(timeout) else "-"


server = socket.create_server(("127.0.0.1", 0))
r, w = os.pipe()
print("fresh", poll(socket.socket()), "listener", poll(server), "udp", poll(socket.socket(type=socket.SOCK_DGRAM)))

client = socket.socket()
edge = select.epoll()
edge.register(client, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | select.EPOLLRDHUP)
print("edge before connect", [bits(m) for _, m in edge.poll(0)])
client.setblocking(False)
print(errno.errorcode[client.connect_ex(server.getsockname())])
print("edge, connected", [bits(m) for _, m in edge.poll(10)])
print("error", client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print("edge again", [bits(m) for _, m in edge.poll(0)])

ready = select.select([server, r], [w], [], 10)
print("select", [x is server for x in ready[0]], ready[1] == [w])
conn, _ = server.accept()
print("select", select.select([conn, r], [], [], 0)[0])
os.write(w, b"x")
client.send(b"hello")
level = select.epoll()
level.register(conn, select.EPOLLIN)
level.register(r, select.EPOLLIN)
while len(level.poll(10)) < 2:
    pass
print("both", sorted(bits(m) for _, m in level.poll(10)), sorted(bits(m) for _, m in level.poll(0)))
print(conn.recv(10), os.read(r, 10), level.poll(0))

conn.send(b"last words")
seen = ""
while "IN" not in seen:  # room for more may be an edge of its own
    seen = bits(edge.poll(10)[0][1])
print("edge, data", seen)
conn.shutdown(socket.SHUT_WR)
print("edge, half closed", [bits(m) for _, m in edge.poll(10)], poll(client, 1000))
print(client.recv(100), client.recv(100))
client.shutdown(socket.SHUT_WR)
print("closed both ways", poll(client, 1000))

refused = socket.socket()
refused.setblocking(False)
edge.register(refused, select.EPOLLOUT | select.EPOLLET)
refused.connect_ex(("127.0.0.1", 9))
print("refused", [bits(m) for _, m in edge.poll(10)], errno.errorcode[refused.getsockopt(1, socket.SO_ERROR)])

filling = socket.create_connection(server.getsockname())
other, _ = server.accept()
filling.setblocking(False)
try:
    while True:
        filling.send(bytes(65536))
except BlockingIOError:
    print("full", poll(filling))
other.settimeout(10)
while select.select([], [filling], [], 0)[1] == []:
    other.recv(1 << 20)
print("room", poll(filling))
