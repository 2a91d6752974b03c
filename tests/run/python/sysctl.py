"""How the host is told to behave: /proc/sys/net, read and written in the ways of shells, sysctl(8) and programs."""

import errno
import os
import socket
import subprocess


def read(name):
    with open("/proc/sys/net/" + name) as file:
        return file.read()


def write(name, value):
    try:
        with open("/proc/sys/net/" + name, "w") as file:
            file.write(value)
    except OSError as error:
        return errno.errorcode[error.errno]
    return read(name)


for name in [
    "core/somaxconn",
    "core/rmem_default",
    "core/wmem_default",
    "ipv4/ip_forward",
    "ipv4/ip_default_ttl",
    "ipv4/ip_local_port_range",
    "ipv4/icmp_echo_ignore_all",
    "ipv4/tcp_syn_retries",
    "ipv4/tcp_synack_retries",
    "ipv4/tcp_retries2",
    "ipv4/tcp_fin_timeout",
    "ipv4/tcp_window_scaling",
    "ipv4/tcp_sack",
    "ipv4/conf/lo/forwarding",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/lo/disable_ipv6",
    "ipv6/conf/default/hop_limit",
]:
    print(name, repr(read(name)))

print(write("ipv4/ip_default_ttl", "33\n"), write("ipv4/ip_forward", "1"), write("ipv6/conf/all/forwarding", "1"))
print(read("ipv4/conf/lo/forwarding"), read("ipv6/conf/lo/forwarding"), read("ipv6/conf/lo/hop_limit"))
print([write(name, "5") for name in ["core/rmem_max", "ipv4/tcp_available_congestion_control"]])
for name in ["ipv4/conf/none0/forwarding", "ipv4/none"]:
    try:
        print(os.open("/proc/sys/net/" + name, os.O_WRONLY))
    except OSError as error:
        print(name, errno.errorcode[error.errno])

# What was set holds at once.
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(udp.getsockopt(socket.IPPROTO_IP, socket.IP_TTL))
print(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS))
print(repr(write("ipv4/ip_local_port_range", "4002 4003")))
udp.bind(("127.0.0.1", 0))
print(udp.getsockname()[1] in (4002, 4003))

# By relative paths, by a shell, for both at once.
os.chdir("/proc/sys/net/ipv4")
print(subprocess.run(["sh", "-c", "echo 34 > ip_default_ttl; cat ip_default_ttl ../ipv4/ip_forward"], capture_output=True))
folder = os.open("/proc/sys/net", os.O_RDONLY | os.O_DIRECTORY)
both = os.open("ipv4/ip_default_ttl", os.O_RDWR, dir_fd=folder)
print(os.read(both, 100), os.read(both, 100))
os.close(both)
both = os.open("./core/../ipv4//ip_default_ttl", os.O_RDWR, dir_fd=folder)
print(os.write(both, b"35\n"), read("ipv4/ip_default_ttl"))
ping = subprocess.run(["ping", "-c1", "-W1", "127.0.0.1"], capture_output=True, text=True).stdout
print("ttl=35" in ping, " 0% packet loss" in ping)
print(write("ipv4/icmp_echo_ignore_all", "1"))
ping = subprocess.run(["ping", "-c1", "-W1", "127.0.0.1"], capture_output=True, text=True).stdout
print("100% packet loss" in ping)
