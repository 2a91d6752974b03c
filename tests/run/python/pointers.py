# Addresses in memory that is not there, and lengths that can't be: what the kernel says.
import ctypes
import errno
import socket
import struct

libc = ctypes.CDLL(None, use_errno=True)
NOWHERE = 8


def says(call, *args):
    ctypes.set_errno(0)
    result = call(*args)
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]


def pointer(data):
    return ctypes.create_string_buffer(bytes(data), len(data))


loopback = ("127.0.0.1", 0)
server = socket.create_server(loopback)
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(loopback)
name, room, data = pointer(bytes(16)), pointer(struct.pack("i", 16)), pointer(bytes(16))
negative = pointer(struct.pack("i", -1))

for what, args in (
    ("a stream's sender, nowhere's length", (0, name, ctypes.c_void_p(NOWHERE))),
    ("a stream's sender, a length below zero", (0, name, negative)),
    ("a stream's data, nowhere", (0, name, room)),
):
    peer.sendall(b"12345678")
    client.recv(1, socket.MSG_PEEK)
    to = ctypes.c_void_p(NOWHERE) if "data" in what else data
    print(what, says(libc.recvfrom, client.fileno(), to, 8, *args))
    client.setblocking(False)
    try:
        client.recv(100)
    except BlockingIOError:
        pass
    client.setblocking(True)

# struct msghdr: a control buffer that is not there takes nothing from the message.
udp.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
udp.sendto(b"hello", udp.getsockname())
slice_ = pointer(struct.pack("QQ", ctypes.addressof(data), 16))
header = pointer(struct.pack("QIIQQQQII", 0, 0, 0, ctypes.addressof(slice_), 1, NOWHERE, 64, 0, 0))
print("control, nowhere", says(libc.recvmsg, udp.fileno(), header, 0), data.raw[:5])
print("control, how much", struct.unpack("QIIQQQQII", header.raw)[6])

for length in (2, 15, 16, 110, 129, 2**31):
    other = socket.socket()
    unix = pointer(struct.pack("H", socket.AF_UNIX) + bytes(200))
    length = ctypes.c_uint(length)
    print("bind", length.value, says(libc.bind, other.fileno(), unix, length))
    print("connect", length.value, says(libc.connect, other.fileno(), unix, length))
