"""What old ways tell of the interfaces: files of /proc/net, and ioctl of a socket that is not an Internet one."""

import socket


def rows(name):
    with open("/proc/net/" + name) as file:
        return [line.split() for line in file]


print("names", sorted(name for _, name in socket.if_nameindex()))
for index, name in socket.if_nameindex():
    assert socket.if_nametoindex(name) == index and socket.if_indextoname(index) == name
for ask, of in [(socket.if_nametoindex, "extra0"), (socket.if_indextoname, 1000)]:
    try:
        print(ask(of))
    except OSError as error:
        print(of, error.errno)
head, titles, *devices = rows("dev")
print("dev", head, titles, [(row[0], len(row)) for row in devices])
# 02 (IFA_F_NODAD): the namespace's addresses are added so, a host's are not.
print("if_inet6", sorted((a, p, s, int(f, 16) & ~2, n) for a, _, p, s, f, n in rows("if_inet6") if s != "20"))
print("route", sorted(rows("route")))
# The kernel has more of them, by which it finds its own addresses and refuses others.
wanted = [row for row in rows("ipv6_route") if row[0][:2] != "fe" and row[0][:2] != "ff" and row[9] != "lo"]
print("ipv6_route", sorted((d, p, s, sp, v, m, n) for d, p, s, sp, v, m, _, _, _, n in wanted if p != "80"))
print("arp", sorted((a, h, f, d) for a, h, f, _, _, d in rows("arp")[1:] if not a.endswith(".9")))
