# What a program asks about names, interfaces and its own sockets.
import socket

for host in ["localhost", "127.0.0.1", "::1", ""]:
    flags = socket.AI_PASSIVE if not host else 0
    found = socket.getaddrinfo(host or None, 80, type=socket.SOCK_STREAM, flags=flags)
    print(host, sorted((f.name, a[0]) for f, _, _, _, a in found))
print(socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV))
print(socket.if_nameindex()[0], socket.if_nametoindex("lo"))
print(socket.has_dualstack_ipv6())
for family in [socket.AF_INET, socket.AF_INET6]:
    for kind in [socket.SOCK_STREAM, socket.SOCK_DGRAM]:
        with socket.socket(family, kind) as s, socket.socket(fileno=s.dup().detach()) as again:
            print(again.family.name, again.type.name, again.proto, s.getsockname())
with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    with socket.create_connection(("127.0.0.1", server.getsockname()[1])) as client:
        conn, addr = server.accept()
        print(addr[0], conn.getsockname()[0], client.getpeername()[0])
