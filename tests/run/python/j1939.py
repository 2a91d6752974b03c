# Python's own sockets: addresses, a message of many packets, a broadcast, a name that claims an address, who does not answer.
import errno, select, socket, struct

SOL_CAN_J1939 = 107

def ecu(address=socket.J1939_NO_ADDR, name=socket.J1939_NO_NAME):
    s = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_J1939)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.bind(("vcan0", name, socket.J1939_NO_PGN, address))
    s.settimeout(20)
    return s

def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]

engine, panel = ecu(0x10), ecu(0x20)
for size in (1, 8, 9, 1785, 1786, 5000):
    data = bytes(n % 251 for n in range(size))
    engine.sendto(data, ("vcan0", 0, 0x12300, 0x20))
    message, control, flags, address = panel.recvmsg(9000, 200)
    print(size, message == data, sorted((kind, value.hex()) for level, kind, value in control), address)
engine.sendto(b"to all", ("vcan0", 0, 0x1F000, socket.J1939_NO_ADDR))
print(panel.recvfrom(99))
name = 0x1122334455667788
named = ecu(0x80, name)
print(outcome(named.sendto, b"x", ("vcan0", 0, 0x12300, 0x20)))
named.sendto(struct.pack("<Q", name), ("vcan0", 0, socket.J1939_PGN_ADDRESS_CLAIMED, socket.J1939_NO_ADDR))
while outcome(named.sendto, b"x", ("vcan0", 0, 0x12300, 0x20)) != 1:
    pass
print(panel.recvfrom(99)[1], panel.recvfrom(99))
panel.sendto(b"by name", ("vcan0", name, 0x12300, socket.J1939_NO_ADDR))
print(named.recvfrom(99))
engine.recvfrom(99)  # the claim, which all hear
engine.sendto(bytes(20), ("vcan0", 0, 0x12300, 0x77))
print(outcome(engine.recvfrom, 99))
# What has become of messages, by the queue of errors: SOF_TIMESTAMPING_SOFTWARE, _OPT_ID, _TX_ACK, _OPT_TSONLY.
teller = ecu(0x30)
teller.setsockopt(SOL_CAN_J1939, socket.SO_J1939_ERRQUEUE, 1)
teller.setsockopt(socket.SOL_SOCKET, 37, 16 | 128 | 512 | 2048)
ready = select.poll()
ready.register(teller, select.POLLIN)
for to in (0x20, 0x77):
    teller.sendto(bytes(20), ("vcan0", 0, 0x12300, to))
    events = [events for _, events in ready.poll(20000)]
    told = teller.recvmsg(0, 500, socket.MSG_ERRQUEUE)[1]
    error, = (value for level, kind, value in told if level == SOL_CAN_J1939)
    number, origin, _, _, _, info, key = struct.unpack("IBBBBII", error)
    print(events, errno.errorcode[number], origin, info, key, ready.poll(0))
