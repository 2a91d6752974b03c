# sendmmsg of more than one request to a host takes: all of them go out.
import ctypes
import select
import socket

COUNT, SIZE = 100, 1200
libc = ctypes.CDLL(None, use_errno=True)

class Slice(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]

class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(Slice)), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int)]

class Many(ctypes.Structure):
    _fields_ = [("header", Header), ("len", ctypes.c_uint)]

receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))

receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
sender = socket.socket(type=socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
port = receiver.getsockname()[1]
name = socket.AF_INET.to_bytes(2, "little") + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
many = (Many * COUNT)()
slices = [Slice(n.to_bytes(2, "big") + bytes(SIZE - 2), SIZE) for n in range(COUNT)]
for one, slice in zip(many, slices):
    one.header = Header(name, 16, ctypes.pointer(slice), 1, None, 0, 0)
print("sent", libc.sendmmsg(sender.fileno(), many, COUNT, 0), {one.len for one in many})
receiver.settimeout(10)
print("received", [int.from_bytes(receiver.recv(2), "big") for _ in range(COUNT)] == list(range(COUNT)))

# Datagrams in pieces, and the word that one's memory is free again; sendmsg without an address.
sender.connect(receiver.getsockname())
for piece, flags in ((b"one ", socket.MSG_MORE), (b"datagram", 0)):
    sender.sendmsg([piece], [], flags)
print(receiver.recv(100))
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
sender.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
for send in (lambda: sender.send(b"by send", MSG_ZEROCOPY), lambda: sender.sendmsg([b"by sendmsg"], [], MSG_ZEROCOPY)):
    print(send(), receiver.recv(100))
    poll = select.poll()
    poll.register(sender, 0)
    poll.poll(10000)
    _, [(level, kind, told)], flags, _ = sender.recvmsg(1, 100, socket.MSG_ERRQUEUE)
    print(level, kind, told[:5].hex(), told[8:16].hex(), flags == socket.MSG_ERRQUEUE)
