# A host that knows nothing of RDS but its header (net/rds/rds.h): it writes it by hand onto TCP, cuts the connection with a RST, sends
# everything again, and counts what comes back.
import ctypes, socket, struct

HEADER = struct.Struct(">QQIHHBB4xH16s")
RETRANSMITTED = 4
SO_ATTACH_FILTER = 26


def exactly(stream, count):
    data = b""
    while len(data) < count:
        piece = stream.recv(count - len(data))
        assert piece, "the connection has ended"
        data += piece
    return data


def read(take):
    seq, ack, length, sport, dport, flags, credit, csum, ext = HEADER.unpack(take(48))
    assert (ack, credit, csum, ext) == (0, 0, 0, bytes(16))
    return seq, sport, dport, flags, take(length)


def connect():
    stream = socket.create_connection(("192.0.2.2", 16385))
    # The first message is the map of the congested ports: none.
    assert read(lambda count: exactly(stream, count)) == (0, 0, 0, 1, bytes(8192))
    return stream


def write(stream, number, flags=0):
    data = text(number)
    stream.sendall(HEADER.pack(number, 0, len(data), 5000, 4000, flags, 0, 0, bytes(16)) + data)


def text(number):
    return b"the end" if number == 201 else b"%d " % number * (number % 300)


heard = []


def note(last, seq, sport, dport, flags, data):
    assert (sport, dport, flags & ~RETRANSMITTED) == (4000, 5000, 0) and seq > last
    if seq > len(heard):
        heard.append((seq, data))
    else:
        assert flags == RETRANSMITTED
    return seq


def hear(stream, until):
    last = 0
    while len(heard) < until:
        last = note(last, *read(lambda count: exactly(stream, count)))


def cut(stream):
    # What TCP has acknowledged is delivered: it is read to the last byte, and a filter (BPF: return 0) lets nothing follow.
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    stream.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(drop)))
    rest = b""
    try:
        while piece := stream.recv(65536, socket.MSG_DONTWAIT):
            rest += piece
    except BlockingIOError:
        pass
    last = len(heard)
    while len(rest) >= 48 and len(rest) >= 48 + (length := HEADER.unpack(rest[:48])[2]):
        parts = iter((rest[:48], rest[48 : 48 + length]))
        last = note(last, *read(lambda count: next(parts)))
        rest = rest[48 + length :]
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


stream = connect()
for number in range(1, 101):
    write(stream, number)
hear(stream, 50)
cut(stream)
stream = connect()
for number in range(1, 101):
    write(stream, number, RETRANSMITTED)
for number in range(101, 201):
    write(stream, number)
hear(stream, 200)
assert heard == [(number, text(number)) for number in range(1, 201)], [seq for seq, _ in heard]
write(stream, 201)
print("200 once and in order")
assert stream.recv(1) == b""
