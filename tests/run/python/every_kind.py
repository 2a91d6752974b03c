"""One socket of every kind, at known addresses, until its standard input ends."""

import socket
import sys

kept = []


def made(family, kind, protocol=0, bind=None, connect=None):
    s = socket.socket(family, kind, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6 and kind != socket.SOCK_RAW:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if bind:
        s.bind(bind)
    if connect:
        s.connect(connect)
    kept.append(s)
    return s


INET, INET6 = socket.AF_INET, socket.AF_INET6
STREAM, DGRAM, RAW = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW

made(INET, STREAM, bind=("192.0.2.2", 80)).listen(5)
made(INET6, STREAM, bind=("::", 50007)).listen(128)
listener = made(INET, STREAM, bind=("127.0.0.1", 50008))
listener.listen(1)
made(INET, STREAM, bind=("127.0.0.1", 40000), connect=("127.0.0.1", 50008))
kept.append(listener.accept()[0])
made(INET, DGRAM, bind=("0.0.0.0", 53))
made(INET, DGRAM, bind=("127.0.0.1", 40001), connect=("127.0.0.1", 53))
made(INET6, DGRAM, bind=("2001:db8::2", 50009))
made(INET, DGRAM, socket.IPPROTO_ICMP, bind=("127.0.0.1", 77))
made(INET, RAW, socket.IPPROTO_ICMP)
made(INET6, RAW, socket.IPPROTO_ICMPV6)
# An EtherType for experiments: nobody sends it.
made(socket.AF_PACKET, RAW, socket.htons(0x88B5), bind=("wire1", 0x88B5))
made(socket.AF_PACKET, DGRAM, socket.htons(0x800), bind=("wire1", 0x800))
# Nobody listens there: the host counts a reset.
with socket.socket(INET, STREAM) as s:
    s.connect_ex(("127.0.0.1", 9))
print("ready", flush=True)
sys.stdin.read()
