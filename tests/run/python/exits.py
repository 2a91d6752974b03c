# Ends as it is told: with a number, or by a signal.
import os
import signal
import socket
import sys

socket.socket()
print(os.getcwd(), sys.argv[1:], sys.stdin.read())
if sys.argv[1] == "exit":
    sys.exit(int(sys.argv[2]))
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
