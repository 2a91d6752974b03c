# One sender, two receivers: the first does not read, the second still hears.
import socket

idle, reader, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
for each in (idle, reader, sender):
    each.bind(("127.0.0.1", 0))
reader.settimeout(10)
for _ in range(1000):
    sender.sendto(bytes(1000), idle.getsockname())
heard = 0
for number in range(50):
    sender.sendto(bytes([number]) * 1000, reader.getsockname())
    heard += reader.recvfrom(2000) == (bytes([number]) * 1000, sender.getsockname())
print(heard, idle.recvfrom(2000) == (bytes(1000), sender.getsockname()))
