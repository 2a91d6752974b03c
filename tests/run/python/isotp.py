# Python's own sockets: a request and its answer, both longer than a frame; what goes wrong.
import errno, socket, struct

SOL_CAN_ISOTP, CAN_ISOTP_OPTS, CAN_ISOTP_RECV_FC, CAN_ISOTP_LL_OPTS = 106, 1, 2, 5

def channel(rx, tx, **options):
    s = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_ISOTP)
    for name, value in options.items():
        s.setsockopt(SOL_CAN_ISOTP, globals()["CAN_ISOTP_" + name], value)
    s.bind(("vcan0", rx, tx))
    return s

def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]

tester = channel(0x7E8, 0x7E0)
ecu = channel(0x7E0, 0x7E8, RECV_FC=bytes([4, 0, 0]))
tester.settimeout(20)
ecu.settimeout(20)
print(tester.getsockname(), ecu.getsockopt(SOL_CAN_ISOTP, CAN_ISOTP_RECV_FC, 3).hex())
for size in (1, 7, 8, 100, 4095, 4096, 8300):
    request = bytes(n % 251 for n in range(size))
    tester.send(request)
    data, address = ecu.recvfrom(9000)
    ecu.send(data[::-1])
    print(size, data == request, address[0], tester.recv(9000) == request[::-1])
# Two messages in a row: the second waits until the first has left.
for text in (b"the first of two messages", b"the second of two messages"):
    tester.send(text)
print(ecu.recv(99), ecu.recv(99))
# Nobody answers 100.
lonely = channel(0x101, 0x100)
lonely.settimeout(20)
lonely.send(bytes(20))
print(outcome(lonely.recvfrom, 9))
wide = [channel(*ids, LL_OPTS=bytes([72, 64, 0])) for ids in ((0x201, 0x200), (0x200, 0x201))]
wide[1].settimeout(20)
wide[0].send(bytes(300))
print(len(wide[1].recv(999)))
print(outcome(channel, 0x300, 0x300), outcome(wide[0].bind, ("vcan0", 1, 2)))
