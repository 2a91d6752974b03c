"""Answers each question for an A record of one name, and says what it was asked."""

import socket
import struct
import sys

name, address = sys.argv[1], sys.argv[2]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("127.0.0.1", 53))
    print("waiting", flush=True)
    while True:
        query, sender = s.recvfrom(512)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
        print("asked", ".".join(labels), kind, flush=True)
        found = ".".join(labels) == name
        known = found and kind == 1
        answer = query[:2] + struct.pack("!HHHHH", 0x8580 if found else 0x8583, 1, known, 0, 0)
        answer += query[12 : at + 5]
        if known:
            answer += struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
        s.sendto(answer, sender)
