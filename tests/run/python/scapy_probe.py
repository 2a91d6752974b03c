# What a course on packets does with Scapy: the argument says which exercise, and where.
import sys

from scapy.all import ARP, ICMP, IP, TCP, UDP, AsyncSniffer, Ether, L3RawSocket, conf, send, sr1, srp, srp1

conf.verb = 0
conf.ipv6_enabled = False
what, target, interface = sys.argv[1:4]
conf.iface = interface


def ping():
    answer = sr1(IP(dst=target) / ICMP() / b"hello", timeout=10)
    print("type", answer[ICMP].type, "load", answer.load[:5])


def loopback():
    # Scapy's own advice for 127.0.0.1.
    conf.L3socket = L3RawSocket
    ping()


def closed():
    answer = sr1(IP(dst=target) / UDP(dport=9) / b"x", timeout=10)
    print("type", answer[ICMP].type, "code", answer[ICMP].code)
    answer = sr1(IP(dst=target) / TCP(dport=9, flags="S"), timeout=10)
    print("flags", answer[TCP].flags)


def sniff():
    sniffer = AsyncSniffer(iface=interface, filter="icmp", count=4, timeout=20, started_callback=ping)
    sniffer.start()
    sniffer.join()
    print("seen", sorted(p[ICMP].type for p in sniffer.results))


def arping():
    answered, _ = srp(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst=target), timeout=10, iface=interface)
    print("answers", [(a.psrc, a.op) for _, a in answered])


def layer2():
    mac = srp1(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst=target), timeout=10, iface=interface).hwsrc
    answer = srp1(Ether(dst=mac) / IP(dst=target) / ICMP(), timeout=10, iface=interface)
    print("type", answer[ICMP].type)


def handshake():
    # The host must not answer for us: it runs with --no-rst.
    ip = IP(dst=target)
    syn = TCP(sport=40000, dport=8000, flags="S", seq=1000)
    synack = sr1(ip / syn, timeout=10)
    print("flags", synack[TCP].flags)
    get = TCP(sport=40000, dport=8000, flags="PA", seq=1001, ack=synack[TCP].seq + 1)
    send(ip / TCP(sport=40000, dport=8000, flags="A", seq=1001, ack=synack[TCP].seq + 1))
    ours = lambda p: TCP in p and p[TCP].dport == 40000 and p[TCP].payload
    sniffer = AsyncSniffer(
        iface=interface, lfilter=ours, count=1, timeout=20, started_callback=lambda: send(ip / get / b"GET / HTTP/1.0\r\n\r\n")
    )
    sniffer.start()
    sniffer.join()
    print(bytes(sniffer.results[0][TCP].payload)[:15])
    send(ip / TCP(sport=40000, dport=8000, flags="R", seq=1001 + 18))


globals()[what]()
