"""One socket of every kind, and what `ss`, other tools and sock_diag(7) itself tell of them; pids and moments left out."""

import os
import re
import select
import socket
import struct
import subprocess

INET, INET6, STREAM, DGRAM, RAW = (
    socket.AF_INET,
    socket.AF_INET6,
    socket.SOCK_STREAM,
    socket.SOCK_DGRAM,
    socket.SOCK_RAW,
)
LO = "127.0.0.1"


def made(family, kind, protocol=0, bind=None, connect=None):
    s = socket.socket(family, kind, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bind:
        s.bind(bind)
    if connect:
        s.connect(connect)
    return s


listener = made(INET, STREAM, bind=(LO, 8080))
listener.listen(5)
client = made(INET, STREAM, bind=(LO, 40000), connect=(LO, 8080))
client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
server, _ = listener.accept()
dual = made(INET6, STREAM, bind=("::", 8081))
dual.listen(3)
there = made(INET, STREAM, bind=(LO, 40001), connect=(LO, 8081))
here, _ = dual.accept()
bound = made(INET, STREAM, bind=(LO, 9999))
fresh = made(INET, STREAM)
udp = made(INET, DGRAM, bind=(LO, 53))
to_udp = made(INET, DGRAM, bind=(LO, 40002), connect=(LO, 53))
unbound = made(INET, DGRAM)
udp6 = made(INET6, DGRAM, bind=("::1", 54))
raw, raw6 = made(INET, RAW, socket.IPPROTO_ICMP), made(INET6, RAW, socket.IPPROTO_ICMPV6)
packets = made(socket.AF_PACKET, RAW, socket.htons(0x88B5))
# One connection ends in TIME_WAIT.
ended = made(INET, STREAM, bind=(LO, 40003), connect=(LO, 8080))
other, _ = listener.accept()
ended.close()
assert other.recv(1) == b""
other.close()
client.send(b"abc")
assert server.recv(3) == b"abc"
# Acknowledged, and nothing left to send.
while struct.unpack("i", __import__("fcntl").ioctl(client, 0x5411, b"\0" * 4))[0]:
    pass


def told(*words):
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    print("$", *words)
    lines = (out.stdout + out.stderr).replace("\n\t", " ").splitlines()
    for line in sorted(" ".join(line.split()) for line in lines):
        line = re.sub(r"pid=\d+|\b\d+/python3", "pid=N", line)
        print(" ", re.sub(r",\d+(min|sec)\b", ",T", line))


for words in [
    "-tunaopH",
    "-tlnH sport = :8080",
    "-tnaH dst 127.0.0.0/8 and sport > :9000",
    "-tnaH ( sport = :40000 or sport = :40001 ) and not dport = :8081",
    "-tnaH dev lo",
    "-tnH state time-wait",
    "-unaH src [::1]",
    "-6tunaH",
    "-4tlnH",
    "-wnaH",
    "-0naH",
]:
    told("ss", *words.split())
told("netstat", "-tunapW")
told("netstat", "-wna")
told("netstat", "-lnt6")
summary = subprocess.run(["ss", "-s"], capture_output=True, text=True).stdout.splitlines()
print([line for line in summary if line[:4] in ("RAW\t", "UDP\t", "TCP\t")])
inodes = {os.fstat(s.fileno()).st_ino: name for name, s in list(globals().items()) if isinstance(s, socket.socket) and s.fileno() >= 0}
net = os.open("/proc/net", os.O_RDONLY | os.O_DIRECTORY)
for name in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"]:
    with open(f"/proc/{os.getpid()}/net/{name}") as file:
        first = file.read()
    # From a directory it is the same file.
    with open(os.open(name, os.O_RDONLY, dir_fd=net)) as file:
        head, *lines = file.read().splitlines()
        assert sorted(inodes.get(int(n), "") for line in lines for n in line.split() if n.isdecimal()) == sorted(
            inodes.get(int(n), "") for line in first.splitlines()[1:] for n in line.split() if n.isdecimal()
        )
    print(name, repr(head), {len(line.split()) for line in lines})
    for fields in sorted((line.split() for line in lines), key=lambda fields: fields[1:]):
        if name == "packet":
            print(" ", fields[2:8], inodes[int(fields[8])])
        else:
            # Number, timer's time and pointer change; what is behind them is the connection's of the moment.
            print(" ", fields[1:5], fields[5][:2], fields[7:9], inodes.get(int(fields[9]), "-"))
with open("/proc/net/snmp") as file:
    rows_of = [line.split() for line in file]
    print([value for names, values in zip(rows_of[::2], rows_of[1::2]) for name, value in zip(names, values) if name == "CurrEstab"])
# Congestion control is the host's own; how long it takes to hear of lost data is not.
print("info", " rto:" in subprocess.run(["ss", "-tniH"], capture_output=True, text=True).stdout)


def ask(family, protocol, extensions=0, states=0xFFFFFFFF, kind=20, flags=0x301, local=(None, 0), remote=(None, 0), more=b"", body=None):
    """The answer: messages, or the number of an error."""

    def ip(host):
        return (socket.inet_pton(INET6 if ":" in host else INET, host) if host else b"").ljust(16, b"\0")

    if body is None:
        body = struct.pack("=BBBBI", family, protocol, extensions, 0, states)
        body += struct.pack(">HH", local[1], remote[1]) + ip(local[0]) + ip(remote[0]) + b"\0" * 4 + b"\xff" * 8
    body += more
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as s:
        s.settimeout(10)
        s.send(struct.pack("=IHHII", 16 + len(body), kind, 1 | flags, 7, 0) + body)
        answers = []
        while True:
            data = s.recv(1 << 16)
            while data:
                length, kind, multi = struct.unpack("=IHH", data[:8])
                if kind in (2, 3):
                    return answers, struct.unpack("=i", data[16:20])[0]
                answers.append(data[16:length])
                if not multi & 2:
                    return answers, None
                data = data[(length + 3) & ~3 :]


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack("=HH", data[:4])
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


# Memory and the congestion's state are the host's own; no control group is told of.
VARYING = {1, 2, 4, 7, 16, 21}


def rows(answer):
    messages, end = answer
    for m in messages:
        family, state, timer, tries, sport, dport = struct.unpack(">BBBBHH", m[:8])
        _, rq, wq, uid, inode = struct.unpack("=IIIII", m[52:72])
        more = {k: v.hex() for k, v in attributes(m[72:]).items() if k not in VARYING}
        yield str((family, state, timer, sport, dport, m[8:24].hex(), m[24:40].hex(), rq, wq, uid, inodes.get(inode, "-"), more))
    yield f"end {end}"


def show(name, *args, **kwargs):
    print(name)
    for row in sorted(rows(ask(*args, **kwargs))):
        print(" ", row)


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value


TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
for family in (INET, INET6):
    for protocol in (TCP, UDP):
        show(f"all {family} {protocol}", family, protocol, extensions=0xFF)
show("bound", INET, TCP, states=1 << 13)
show("closed", INET, TCP, states=1 << 7)
show("port", INET, TCP, local=(None, 8080))
show("the old way", 0, 0, kind=18, body=struct.pack("=BBBB", 2, 0, 0, 0xFF) + b"\0" * 40 + b"\xff" * 8 + struct.pack("=II", 1 << 10, 0))
show("one", INET, TCP, flags=0, local=(LO, 8080))
show("one connection", INET, TCP, flags=0, local=(LO, 40000), remote=(LO, 8080))
show("none", INET, TCP, flags=0, local=(LO, 80))
show("one of UDP", INET, UDP, flags=0, remote=(LO, 53))
show("one of UDP, not swapped", INET, UDP, flags=0, local=(LO, 53))
show("nobody's protocol", INET, 1)
show("nobody's family", 0, TCP)
show("a family that is none", 99, TCP)
show("a kind that is none", INET, TCP, kind=25)
show("short", INET, TCP, body=b"\2")
show("shorter than its family's", INET, TCP, body=b"\2\6\0\0")
show("empty code", INET, TCP, more=attribute(1, b""))
show("bad code", INET, TCP, more=attribute(1, struct.pack("=BBH", 99, 4, 8)))
show("code", INET, TCP, more=attribute(1, struct.pack("=BBHBBH", 11, 8, 12, 0, 0, 40000)))
for m in ask(0, 0, body=struct.pack("=BBHII", socket.AF_PACKET, 0, 0, 0, 0x13) + b"\xff" * 8)[0]:
    print("packet", m[:4].hex(), inodes[struct.unpack("=I", m[4:8])[0]], sorted(attributes(m[16:])), attributes(m[16:])[0].hex())
print("packet protocol", ask(0, 0, body=struct.pack("=BBHII", socket.AF_PACKET, 3, 0, 0, 0) + b"\xff" * 8))
print("netlink protocol", ask(0, 0, body=struct.pack("=BBHII", socket.AF_NETLINK, 40, 0, 0, 0) + b"\xff" * 8))


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return error.strerror


print("destroyed", ask(INET, TCP, kind=21, flags=4, local=(LO, 40000), remote=(LO, 8080)))
client.settimeout(10)
server.settimeout(10)
select.select([client], [], [], 10)
print(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), outcome(server.recvfrom, 1))
print("destroyed", ask(INET, TCP, kind=21, flags=4, local=(LO, 40000), remote=(LO, 8080)))
print("destroyed", ask(INET, UDP, kind=21, flags=4, local=(LO, 40002), remote=(LO, 53)))
print(to_udp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), outcome(to_udp.getpeername))
