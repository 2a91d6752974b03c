# ICMP errors of UDP: port unreachable, on connected sockets and on those with IP_RECVERR.
import errno
import select
import socket
import struct
import threading
import time

IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def udp(host, recverr=False):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((host, 0))
    s.settimeout(10)
    if recverr and ":" in host:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    elif recverr:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    return s


def nobody(host):
    with udp(host) as s:
        return s.getsockname()


def error_of(s):
    return errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)


def has_error(s):
    p = select.poll()
    p.register(s, 0)
    return bool(p.poll(10000))


def queued(s):
    data, ancillary, flags, address = s.recvmsg(100, 500, MSG_ERRQUEUE)
    found = [errno.errorcode[struct.unpack("I", d[:4])[0]] for level, kind, d in ancillary if kind in (IP_RECVERR, IPV6_RECVERR)]
    return data, found, bool(flags & MSG_ERRQUEUE)


for host in "127.0.0.1", "::1":
    # Connected: the next call has it, once.
    s = udp(host)
    s.connect(nobody(host))
    s.send(b"1")
    print("recvfrom", outcome(s.recvfrom, 100))
    s.send(b"2")
    print("recvmsg", outcome(s.recvmsg, 100))
    s.send(b"3")
    print("shown", has_error(s), error_of(s), error_of(s))
    s.setblocking(False)
    print("told once", outcome(s.recv, 100), outcome(s.recvfrom, 100), outcome(s.send, b"4"))
    print("sendmsg", has_error(s), outcome(s.sendto, b"5", s.getpeername()), outcome(s.recv, 100))

    # With a queue of errors.
    s = udp(host, True)
    s.connect(nobody(host))
    s.send(b"queued")
    print("shown", has_error(s), outcome(queued, s), outcome(queued, s))
    s.setblocking(False)
    print("told once", outcome(s.recv, 100), outcome(s.recvfrom, 100), error_of(s))

    # Not connected: only who asks for the queue hears of it; a call that waits is woken.
    s, at = udp(host, True), nobody(host)
    s.sendto(b"far", at)
    print("woken", outcome(s.recvfrom, 100), outcome(queued, s))
    waited = []
    thread = threading.Thread(target=lambda: waited.append((outcome(s.recvmsg, 100), outcome(queued, s))))
    thread.start()
    time.sleep(0.2)
    s.sendto(b"later", at)
    thread.join()
    print("woken", waited)
    s.sendto(b"x", at)
    print("select", bool(select.select([s], [], [], 10)[0]), outcome(queued, s))
    s.setblocking(False)
    print("nothing", outcome(s.recv, 100), outcome(s.recvfrom, 100), error_of(s), outcome(queued, s))
    s.setblocking(True)
    s.sendto(b"y", at)
    print("option", bool(select.select([s], [], [], 10)[0]), error_of(s), error_of(s), outcome(queued, s))
    with udp(host) as other:
        other.sendto(b"hello", s.getsockname())
        print("then", s.recvfrom(100)[0], outcome(lambda: s.recvfrom(100, socket.MSG_DONTWAIT)))
    s = udp(host)
    s.sendto(b"unheard", nobody(host))
    s.settimeout(0.2)
    print("without", outcome(s.recvfrom, 100))
