#!/usr/bin/python3
"""uds-by-scapy.py FD: a conversation of Scapy, as tester, with the test ECU at the other end of the socket FD, one packet
a message (SOCK_SEQPACKET); uds-by-scapy.py --desk PATH: with the SGW of a running world, at the socket of that
path (docs/uds-tool.md). Names each step that came out as it must. Exit status 77 when there is no Scapy.

Debian's own Python: the packages python3-scapy and python3-cryptography belong to it."""
import logging
import socket
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
try:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC
    from scapy.all import load_contrib
    from scapy.supersocket import StreamSocket
except ImportError:
    sys.exit(77)
load_contrib("automotive.uds")
from scapy.contrib.automotive.uds import (  # noqa: E402
    UDS, UDS_DSC, UDS_NR, UDS_RC, UDS_RDBI, UDS_RDTCI, UDS_SA, UDS_WDBI)

PLANT, LEVEL = 0x60, 0x61
M = bytes(range(16))


def cmac(key, data):
    c = CMAC(AES(key))
    c.update(data)
    return c.finalize()


class Tester:
    def __init__(self, connection):
        self.socket = StreamSocket(connection, UDS)

    def ask(self, what, request):
        """The answer as Scapy understands it, that it waits for through 78."""
        answer = self.socket.sr1(UDS() / request, timeout=3, verbose=False)
        if answer is None or answer.service == 0x7F:
            sys.exit("%s: %r" % (what, answer))
        print(what)
        return answer

    def refused(self, what, request, nrc):
        answer = self.socket.sr1(UDS() / request, timeout=3, verbose=False)
        if answer is None or UDS_NR not in answer or answer[UDS_NR].negativeResponseCode != nrc:
            sys.exit("%s: %r" % (what, answer))
        print(what)

    def read(self, what, did):
        return bytes(self.ask(what, UDS_RDBI(identifiers=[did])))[3:]


def expect(is_so, what):
    if not is_so:
        sys.exit("not so: " + what)


def speak_to_desk(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    tester = Tester(connection)
    answer = bytes(tester.ask("session", UDS_DSC(diagnosticSessionType=3)))
    expect(answer == bytes.fromhex("5003003201F4"), "P2 and P2* of the session")
    expect(tester.read("serial", 0xF18C) == b"SGW0000000001", "the SGW's serial number")
    expect(tester.read("the gate is closed", 0x0250) == bytes([0]), "a closed gate")
    expect(tester.read("the session is open", 0xF186) == bytes([3]), "session 03")
    tester.refused("no such identifier", UDS_RDBI(identifiers=[0x0999]), 0x31)


def speak_to_ecu(fd):
    tester = Tester(socket.socket(fileno=fd))
    vin = UDS_WDBI(dataIdentifier=0xF190) / b"1SPAAK00000000007"
    answer = bytes(tester.ask("session", UDS_DSC(diagnosticSessionType=PLANT)))
    expect(answer == bytes.fromhex("5060003201F4"), "P2 and P2* of the session")
    tester.refused("locked", vin, 0x33)
    serial = tester.read("serial", 0xF18C)
    seed = tester.ask("seed", UDS_SA(securityAccessType=LEVEL)).securitySeed
    key = cmac(cmac(M, bytes([1, LEVEL]) + serial), bytes(seed) + bytes([LEVEL]))
    tester.ask("key", UDS_SA(securityAccessType=LEVEL + 1, securityKey=key))
    tester.ask("written", vin)
    expect(tester.read("VIN", 0xF190) == b"1SPAAK00000000007", "the VIN that was written")
    expect(tester.read("memory", 0x0221) == bytes(1024), "1024 bytes of memory")
    answer = tester.ask("routine", UDS_RC(routineControlType=1, routineIdentifier=0x0301))
    expect(bytes(answer) == bytes.fromhex("7101030100"), "a key pair was made")
    answer = bytes(tester.ask("codes", UDS_RDTCI(reportType=2, DTCStatusMask=0x09)))
    expect(answer == bytes.fromhex("5902399A0051299A015129"), "two trouble codes")


if sys.argv[1] == "--desk":
    speak_to_desk(sys.argv[2])
else:
    speak_to_ecu(int(sys.argv[1]))
