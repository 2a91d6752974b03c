"""Discovery as mDNS does it (RFC 6762): who offers _lab._tcp.local says so to the group, to whoever asks there.

discovery.py respond NAME VERSION INTERFACE         answers until it is ended
discovery.py browse COUNT VERSION INTERFACE         asks, until it has heard of so many
"""
import select
import socket
import struct
import sys

GROUP = {4: "224.0.0.251", 6: "ff02::fb"}
PORT, PTR, CLASS_IN = 5353, 12, 1
IP_RECVTTL = 12  # <linux/in.h>; the module has no name for it
SERVICE = "_lab._tcp.local"


def name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


QUESTION = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + name(SERVICE) + struct.pack("!2H", PTR, CLASS_IN)


def answer(instance):
    data = name(f"{instance}.{SERVICE}")
    record = name(SERVICE) + struct.pack("!2HIH", PTR, CLASS_IN, 120, len(data)) + data
    return struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + record


def instance_of(message):
    at = 12 + len(name(SERVICE)) + 10
    return message[at + 1 : at + 1 + message[at]].decode()


def member(version, interface):
    """A socket of the group, beside others on the same port."""
    index = socket.if_nametoindex(interface)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Before anything can come: under run a message has what was asked for when it came.
    if version == 4:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        mreqn = socket.inet_aton(GROUP[4]) + bytes(4) + struct.pack("@i", index)
        s.bind(("", PORT))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreqn)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mreqn)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        return s, (GROUP[4], PORT)
    mreq = socket.inet_pton(family, GROUP[6]) + struct.pack("@I", index)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    s.bind(("", PORT))
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, mreq)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    return s, (GROUP[6], PORT, 0, index)


def tell(s, message, group):
    try:
        s.sendto(message, group)
    except OSError as error:  # its address may not be verified yet: the asker asks again
        print("not sent:", error, file=sys.stderr)


role, what, version, interface = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
s, group = member(version, interface)
if role == "respond":
    print(what, "listens", flush=True)
    while True:
        if s.recvfrom(9000)[0] == QUESTION:
            tell(s, answer(what), group)

found, hops, tries = set(), set(), 0
while len(found) < int(what):
    tries += 1
    assert tries < 60, f"only {sorted(found)}"
    tell(s, QUESTION, group)
    while len(found) < int(what) and select.select([s], [], [], 1)[0]:
        message, ancillary, _, sender = s.recvmsg(9000, 100)
        if message != QUESTION:
            assert sender[1] == PORT, sender
            found.add(instance_of(message))
            hops.add(struct.unpack("@i", ancillary[0][2])[0])
print("found", *sorted(found), "hops", *hops)
