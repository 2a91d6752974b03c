"""What listeners to the groups of rtnetlink(7) hear when `ip` changes something, and when the wire brings something new."""

import os
import socket
import struct
import subprocess

LINK, NEIGH, ADDR4, ROUTE4, ADDR6, ROUTE6 = 1, 3, 5, 7, 9, 11
GROUPS = (LINK, NEIGH, ADDR4, ROUTE4, ADDR6, ROUTE6)
NAMES = {16: "link", 20: "address", 24: "route", 28: "neighbour"}
HEADERS = {16: 16, 20: 8, 24: 12, 28: 12}
SOL_NETLINK = 270


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def address(data):
    if data is None:
        return None
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def told(kind, body):
    of = kind & ~3
    a = attributes(body[HEADERS[of] :])
    what = ("new " if kind == of else "gone ") + NAMES[of]
    if of == 16:
        flags = struct.unpack("=I", body[8:12])[0]
        return what, a[3].rstrip(b"\0").decode(), bool(flags & 1), struct.unpack("=I", a[4])[0]
    if of == 20:
        return what, address(a[1]), body[1], body[3]
    if of == 24:
        via, metric = address(a.get(5)), a.get(6) and struct.unpack("=I", a[6])[0]
        return what, body[4], address(a.get(1)), body[1], via, body[6], body[7], metric
    return what, address(a[1]), struct.unpack("=H", body[8:10])[0]


ears = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
ears.settimeout(20)
ears.bind((0, sum(1 << (group - 1) for group in GROUPS[:2])))
for group in GROUPS[2:]:
    ears.setsockopt(SOL_NETLINK, 1, group)
print("name", ears.getsockname()[0] == os.getpid(), ears.getsockname()[1])
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as second:
    second.bind((0, 0))
    print("another", second.getsockname()[0] not in (0, os.getpid()))
print("groups", struct.unpack("=Q", ears.getsockopt(SOL_NETLINK, 9, 8))[0])
for group in (0, 1000):
    try:
        ears.setsockopt(SOL_NETLINK, 1, group)
        print("joined", group)
    except OSError as error:
        print(group, error.strerror)


def heard():
    """All that came before the answer to a question asked now."""
    ears.send(struct.pack("=IHHII", 32, 18, 1, 77, 0) + struct.pack("=BxHiII", 0, 0, 1, 0, 0))
    news = []
    while True:
        data, (port, groups) = ears.recvfrom(1 << 16)
        length, kind, _, sequence, _ = struct.unpack("=IHHII", data[:16])
        if sequence == 77 and groups == 0:
            return news
        assert port == 0 and groups, (port, groups)
        news.append((groups, *told(kind, data[16:length])))


def after(words):
    done = subprocess.run(words.split(), capture_output=True, text=True)
    news = heard()
    # IPv6's own doings (groups, duplicate detection, routers) have their own times.
    quiet = [n for n in news if not any(":" in str(part) for part in n) or "2001:db8:" in str(n) or "/" in str(n)]
    print("$", words, done.returncode)
    for one in sorted(quiet, key=str):
        print("  ", one)


heard()
for words in [
    "ip addr add 192.0.2.77/24 dev wire1",
    "ip addr add 203.0.113.5/24 dev wire1",
    "ip addr del 203.0.113.5/24 dev wire1",
    "ip addr del 192.0.2.77/24 dev wire1",
    "ip addr add 192.0.2.2/24 dev wire1",
    "ip route add 198.51.100.0/24 via 192.0.2.1",
    "ip route add 198.51.100.0/24 via 192.0.2.1",
    "ip route del 198.51.100.0/24",
    "ip route add default via 192.0.2.1",
    "ip -6 route add 2001:db8:5::/48 via 2001:db8::1",
    "ip -6 route del 2001:db8:5::/48",
    "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wire1 nud permanent",
    "ip neigh change 192.0.2.9 lladdr 02:00:00:00:00:0a dev wire1 nud permanent",
    "ip neigh del 192.0.2.9 dev wire1",
    "ping -n -q -c 1 192.0.2.1",
    "ip route get 192.0.2.1",
]:
    after(words)
for group in GROUPS:
    ears.setsockopt(SOL_NETLINK, 2, group)
after("ip route del default")
