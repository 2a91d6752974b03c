"""What `ip` changes, and what it shows of it afterwards.

Called with the name of a chapter. Printed are each command, its exit status, and what it prints; what differs from machine to
machine (numbers, stations, seconds) has a name instead."""

import re
import subprocess
import sys

CHAPTERS = {
    "links": """
ip link set wire1 promisc on
ip -d link show wire1 | grep -o 'promiscuity.*allmulti [0-9]*'
ip link set wire1 allmulticast on multicast off arp off
ip link show wire1
ip link set wire1 txqueuelen 77 alias words
ip link set wire1 dynamic on group 5
ip link show wire1
ip link set wire1 address 03:00:00:00:00:05
ip link set wire1 promisc off allmulticast off multicast on arp on dynamic off group 0
ip link set wire1 name other
ip link show other
ip addr show dev other
ip link set other name wire1
ip link set wire1 name lo
ip link set wire1 mtu 67
ip link set wire1 mtu 70000
ip link set wire1 mtu 1000
ip -6 addr show dev wire1
ip -6 route show dev wire1
ip link set wire1 mtu 1500
ip -6 addr show dev wire1
ip link set nope up
ip link del lo
ip link set wire1 nomaster
ip route add 203.0.113.0/24 via 192.0.2.1
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev wire1 nud permanent
ip link set wire1 down
ip link show wire1
ip addr show dev wire1
ip route show table all dev wire1
ip neigh show dev wire1
ip route get 192.0.2.1
ping -c 1 -W 1 192.0.2.1 2>&1
ip route add 198.51.100.0/24 dev wire1
ip link set wire1 up
ip route
""",
    "addresses": """
ip addr add 192.0.2.2/24 dev wire1
ip addr add 2001:db8::2/64 dev wire1
ip addr add 192.0.2.3/24 brd + dev wire1 label wire1:a
ip addr add 192.0.2.4/24 dev wire1
ip addr add 198.51.100.1 peer 198.51.100.2/32 dev wire1
ip addr add 2001:db8:1::1 peer 2001:db8:1::2/128 dev wire1 nodad
ip addr add 203.0.113.1/24 dev wire1 valid_lft 100 preferred_lft 50 noprefixroute
ip addr add 203.0.113.129/25 dev wire1 scope link metric 77
ip addr add 2001:db8:2::1/64 dev wire1 valid_lft 100 preferred_lft 0 noprefixroute nodad
ip addr add 2001:db8:3::1/64 dev wire1 metric 77 nodad
ip addr add 0.0.0.0/24 dev wire1
ip addr add ff02::5/128 dev wire1
ip addr add ::/128 dev wire1
ip addr add 192.0.2.9/24 dev nope
ip addr show dev wire1
ip addr show dev wire1 label wire1:a
ip addr show to 203.0.113.0/24
ip addr show dynamic
ip addr show scope link
ip -br addr show dev lo
ip route show dev wire1
ip route show table local type local dev wire1
ip route show table local type broadcast dev wire1
ip -6 route show dev wire1
ip -6 route show table local type local dev wire1
ip addr change 203.0.113.1/24 dev wire1 valid_lft 1000 preferred_lft 500
ip addr replace 203.0.113.3/24 dev wire1
ip addr change 2001:db8:3::1/64 dev wire1 valid_lft 1000 preferred_lft 500
ip -4 addr show dev wire1
ip addr del 192.0.2.2/25 dev wire1
ip addr del 192.0.2.3/24 dev wire1
ip addr add 192.0.2.3/24 dev wire1
ip addr del 192.0.2.2/24 dev wire1
ip addr del 192.0.2.2/24 dev wire1
ip addr del 2001:db8:2::9/64 dev wire1
ip -4 addr show dev wire1
ip addr flush dev wire1 scope global
ip addr show dev wire1
ip route
""",
    "routes": """
ip addr add 192.0.2.3/24 dev wire1
ip route add 203.0.113.0/24 via 192.0.2.1
ip route add 203.0.113.0/24 via 192.0.2.9
ip route append 203.0.113.0/24 via 192.0.2.9
ip route prepend 203.0.113.0/24 via 192.0.2.8
ip route append 203.0.113.0/24 via 192.0.2.9
ip route add 203.0.113.0/24 via 192.0.2.7 metric 100
ip route replace 203.0.113.0/24 via 192.0.2.6 metric 100
ip route change 203.0.113.0/24 via 192.0.2.5 metric 200
ip route change 203.0.113.0/24 via 192.0.2.5 metric 100
ip route change 203.0.113.0/25 via 192.0.2.5
ip route replace 203.0.113.0/25 via 192.0.2.5
ip route
ip route add 198.51.100.0/24 via 192.0.2.1 mtu 1400 advmss 1300 hoplimit 9 initcwnd 20 window 1000 rtt 100ms
ip route add 198.51.100.1 dev wire1 mtu lock 1000 src 192.0.2.3 proto static scope link
ip route add unreachable 198.51.100.2
ip route add blackhole 198.51.100.3
ip route add prohibit 198.51.100.4
ip route add throw 198.51.100.5
ip route add 198.51.100.9 via 203.0.113.200
ip route add 198.51.100.10 via 10.0.0.1
ip route add 198.51.100.11 via 10.0.0.1 dev wire1
ip route add 198.51.100.12 via 10.0.0.1 dev wire1 onlink
ip route add 198.51.100.13/24 dev wire1
ip route add 198.51.100.15 src 192.0.2.77 dev wire1
ip route add 198.51.100.16 dev nope
ip route add 198.51.100.17
ip route add default via 192.0.2.1
ip -d route
ip route get 198.51.100.1
ip route get 198.51.100.2
ip route get 198.51.100.3
ip route get 198.51.100.4
ip route get 198.51.100.5
ip route get 203.0.113.5
ip route get 198.51.100.99
ip route get 192.0.2.255
ip route get 255.255.255.255
ip route get 198.51.100.99 from 192.0.2.3
ip route get 198.51.100.99 from 192.0.2.77
ip route get 198.51.100.99 from 192.0.2.77 iif wire1
ip route get 192.0.2.2 from 192.0.2.77 iif wire1
ip route get 192.0.2.255 from 192.0.2.77 iif wire1
ip route get fibmatch 198.51.100.99
ip route get 198.51.100.99 oif wire1
ip route get 198.51.100.99 mark 5
ip route get 198.51.100.99 ipproto tcp dport 80
refused 198.51.100.2 198.51.100.3 198.51.100.4 198.51.100.5
ip route del 203.0.113.0/24 metric 100
ip route del 203.0.113.0/24 via 192.0.2.77
ip route del 203.0.113.0/24 via 192.0.2.9
ip route del 203.0.113.0/24
ip route del 203.0.113.0/24 dev lo
ip route del unreachable 198.51.100.2
ip route del 198.51.100.3
ip route del 198.51.100.4 proto static
ip route show proto static
ip route show 198.51.100.0/24
ip route show root 198.51.100.0/24
ip route show match 198.51.100.1
ip route show dev wire1
ip route show via 192.0.2.1
ip route show cache
ip route show table 100
ip route flush proto static
ip route flush root 198.51.100.0/24
ip route
ip route add 198.51.100.0/24 dev wire1 src 192.0.2.3
ip addr del 192.0.2.3/24 dev wire1
ip route
ip -6 route add 2001:db8:1::/64 via 2001:db8::1
ip -6 route add 2001:db8:1::/64 via 2001:db8::9
ip -6 route add 2001:db8:1::/64 via 2001:db8::8 metric 5
ip -6 route replace 2001:db8:1::/64 via 2001:db8::7 metric 5
ip -6 route change 2001:db8:1::/64 via 2001:db8::7 metric 6
ip -6 route add unreachable 2001:db8:2::/64
ip -6 route add blackhole 2001:db8:3::/64
ip -6 route add prohibit 2001:db8:4::/64
ip -6 route add throw 2001:db8:5::/64
ip -6 route add 2001:db8:6::/64 dev wire1 mtu 1300 src 2001:db8::2 proto static
ip -6 route add 2001:db8:7::1/64 dev wire1
ip -6 route add 2001:db8:8::/64 via 2001:db8:99::1
ip -6 route add 2001:db8:8::/64 via fe80::1 dev wire1 expires 100
ip -6 route add 2001:db8:9::/64 via 2001:db8::2
ip -6 route add 2001:db8:a::/64 src 2001:db8::77 dev wire1
ip -6 route add default via 2001:db8::1 pref high
ip -6 -d route
ip route get 2001:db8:2::1
ip route get 2001:db8:3::1
ip route get 2001:db8:4::1
ip route get 2001:db8:5::1
ip route get 2001:db8:6::1
ip route get 2001:db8:b::1
ip route get 2001:db8::2
ip -6 route get fibmatch 2001:db8:6::1
refused 2001:db8:2::1 2001:db8:3::1 2001:db8:4::1 2001:db8:5::1
ip -6 route del 2001:db8:1::/64 metric 77
ip -6 route del 2001:db8:1::/64
ip -6 route del blackhole 2001:db8:3::/64
ip -6 route flush proto static
ip -6 route
ip rule
""",
    "tables": """
ip netconf
ip addrlabel
ip rule
ip -6 rule
ip nexthop
ip mroute
ip vrf
""",
    "neighbours": """
ip neigh add 192.0.2.20 lladdr 02:00:00:00:00:20 dev wire1
ip neigh add 192.0.2.20 lladdr 02:00:00:00:00:21 dev wire1
ip neigh change 192.0.2.20 lladdr 02:00:00:00:00:21 dev wire1 nud stale
ip neigh change 192.0.2.21 lladdr 02:00:00:00:00:21 dev wire1
ip neigh replace 192.0.2.21 lladdr 02:00:00:00:00:21 dev wire1 nud reachable
ip neigh replace 192.0.2.22 lladdr 02:00:00:00:00:22 dev wire1 nud noarp
ip neigh add 192.0.2.23 dev wire1 nud permanent
ip neigh add 2001:db8::20 lladdr 02:00:00:00:00:20 dev wire1 router nud stale
ip neigh add 192.0.2.24 lladdr 02:00:00:00 dev wire1
ip neigh add 192.0.2.24 lladdr 02:00:00:00:00:24 dev nope
ip neigh show dev wire1 | sort
ip neigh show nud permanent
ip neigh show nud stale
ip neigh get 192.0.2.20 dev wire1
ip neigh get 192.0.2.99 dev wire1
ip neigh del 192.0.2.20 dev wire1
ip neigh del 192.0.2.20 dev wire1
ip neigh flush dev wire1
ip neigh show dev wire1 | sort
ip neigh flush all nud noarp
ip neigh show dev wire1 | sort
ip neigh show proxy
""",
}

REFUSED = """
import errno, socket, sys
for to in sys.argv[1:]:
    try:
        socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM).connect((to, 9))
        print(to, "reached")
    except OSError as error:
        print(to, errno.errorcode[error.errno])
"""


def unnamed(text):
    """Without numbers of interfaces, stations, seconds, and the addresses that IPv6 makes by itself."""
    lines = []
    skip = False
    for line in text.splitlines():
        if "fe80:" in line and "via fe80:" not in line:
            skip = True
            continue
        if skip and "valid_lft" in line:
            continue
        skip = False
        line = re.sub(r"^\d+: (\w+)(@\w+)?:", r"\1:", line)
        line = re.sub(r"^\d+: (\w+)(@\w+)? ", r"\1: ", line)
        line = re.sub(r" link-netnsid \d+", "", line)
        line = re.sub(r"\d+sec\b", "Nsec", line)
        line = re.sub(r" (nodad|tentative|optimistic)\b", "", line)
        line = re.sub(r"link/ether \S+", "link/ether STATION", line)
        lines.append(line.rstrip())
    return "\n".join(lines)


for line in CHAPTERS[sys.argv[1]].strip().splitlines():
    if line.startswith("refused "):
        done = subprocess.run([sys.executable, "-c", REFUSED, *line.split()[1:]], capture_output=True, text=True)
    else:
        done = subprocess.run(line, shell=True, capture_output=True, text=True)
    print("$", line, "=", done.returncode)
    said = unnamed(done.stdout)
    if said:
        print(said)
