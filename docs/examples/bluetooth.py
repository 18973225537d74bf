"""A central of Bluetooth LE on the air of docs/air-ble.md: advertisements, links, attributes, one credit-based channel, pairing
by LE Secure Connections out of band, encryption. One link at a time, and nothing runs beside it: whoever waits for something
takes the frames that come before it, too.

Values are bytes, most significant octet first, as in the formulas of the Core Specification; the air has them the other way.
Needs python3-cryptography.
"""
import secrets
import socket
import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.exceptions import InvalidTag

import digital_key as dk

GREETING, LISTEN, ADVERTISEMENT, CONNECT, CONNECTED, TERMINATE, CONTROL, DATA = range(8)
ENC_REQ, ENC_RSP, START_ENC_REQ, START_ENC_RSP, REJECT_IND = 0x03, 0x04, 0x05, 0x06, 0x0D
ATT, SIGNALLING, SMP, CHANNEL = 0x0004, 0x0005, 0x0006, 0x0040
USER_ENDED, MIC_FAILURE = 0x13, 0x3D
MTU, MPS, CREDITS = 512, 247, 10
FRAME_MAX = 300
REQUEST, RESPONSE, RANDOM, FAILED, IDENTITY, IDENTITY_ADDRESS, PUBLIC_KEY, CHECK = 1, 2, 4, 5, 8, 9, 0x0C, 0x0D
OPTIONS = bytes([0x09, 1, 0x03])  # AuthReq bonding and Secure Connections, out-of-band data are here, no input or output


class Lost(ConnectionError):
    """The link is over."""

    def __init__(self, reason, text):
        super().__init__("%s (%02X)" % (text, reason))
        self.reason = reason


class Failed(Exception):
    """Pairing or encryption; the link is still there, in the clear."""


# ---- the toolbox of the security manager (volume 3 part H, 2.2) ----


def aes(key, block):
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return ecb.update(block) + ecb.finalize()


def f4(u, v, x, z):
    return dk.aes_cmac(x, u + v + z)


def f5(dh, n1, n2, a1, a2):
    """MacKey, LTK"""
    t = dk.aes_cmac(bytes.fromhex("6C888391AAF5A53860370BDB5A6083BE"), dh)
    return [dk.aes_cmac(t, bytes([counter]) + b"btle" + n1 + n2 + a1 + a2 + b"\1\0") for counter in (0, 1)]


def f6(key, n1, n2, r, io, a1, a2):
    return dk.aes_cmac(key, n1 + n2 + r + io + a1 + a2)


def ah(irk, prand):
    return aes(irk, bytes(13) + prand)[-3:]


def private_address(irk):
    """Type and octets of a new resolvable one."""
    prand = bytes([secrets.randbelow(64) | 0x40]) + secrets.token_bytes(2)
    return b"\1" + prand + ah(irk, prand)


def resolves(irk, address):
    return address[0] == 1 and address[1] >> 6 == 1 and ah(irk, address[1:4]) == address[4:]


def on_air(address):
    """Type, then the octets, least significant first; the same way back."""
    return address[:1] + address[:0:-1]


# ---- encryption of packets (volume 6 part E) ----


class Packets:
    """One direction of an encrypted link."""

    def __init__(self, key, iv, to_peripheral):
        self.cipher, self.iv, self.direction, self.number = AESCCM(key, tag_length=4), iv, to_peripheral << 7, 0

    def _nonce(self):
        number = self.number.to_bytes(5, "little")
        self.number += 1
        return number[:4] + bytes([number[4] | self.direction]) + self.iv

    def seal(self, kind, pdu):
        return self.cipher.encrypt(self._nonce(), pdu, b"\3" if kind == CONTROL else b"\2")

    def open(self, kind, packet):
        try:
            return self.cipher.decrypt(self._nonce(), packet, b"\3" if kind == CONTROL else b"\2")
        except InvalidTag:
            raise Lost(MIC_FAILURE, "the keys differ") from None


class Oob:
    """Out-of-band data of one's own: a key pair, its confirm and random value. For one pairing."""

    def __init__(self):
        self.key, self.random = dk.new_key(), secrets.token_bytes(16)
        point = dk.point_of(self.key)
        self.x, self.y = point[1:33], point[33:]
        self.confirm = f4(self.x, self.x, self.random, b"\0")


class Bond:
    def __init__(self, ltk, irk, address):
        self.ltk, self.irk, self.address = ltk, irk, address


# ---- the air ----


class Air:
    """The way to one peripheral; open as long as the phone is on, with or without a link."""

    def __init__(self, path, token, name, irk, address):
        self.stream, self.links = dk.unix_socket(path), 0
        self.irk, self.address = irk, address  # type and octets: the identity
        self.buffer, self.heard = b"", None
        if token:
            self.say(GREETING, token + name.encode())

    def say(self, kind, body):
        self.stream.sendall(bytes([kind]) + len(body).to_bytes(2, "big") + body)

    def hear(self, until):
        """A frame, or None when it is too late."""
        while True:
            if len(self.buffer) >= 3:
                end = 3 + int.from_bytes(self.buffer[1:3], "big")
                if end > 3 + FRAME_MAX:
                    raise ConnectionError("a frame that is too long")
                if len(self.buffer) >= end:
                    kind, body, self.buffer = self.buffer[0], self.buffer[3:end], self.buffer[end:]
                    return kind, body
            self.stream.settimeout(max(until - time.monotonic(), 0.001))
            try:
                more = self.stream.recv(4096)
            except socket.timeout:
                return None
            finally:
                self.stream.settimeout(None)
            if not more:
                raise ConnectionError("the adapter of the other end is off")
            self.buffer += more

    def scan(self, wanted, patience_s):
        """The address of the first advertisement that is wanted (a function of address and AD); None in the end."""
        until = time.monotonic() + patience_s
        self.say(LISTEN, b"\1")
        frame = True
        while frame:
            frame = self.hear(until)
            if frame and frame[0] == ADVERTISEMENT and wanted(on_air(frame[1][1:8]), frame[1][8:]):
                self.say(LISTEN, b"\0")
                return on_air(frame[1][1:8])
        return None


# ---- a link ----


class Link:
    def __init__(self, air, peripheral):
        self.air, self.own, self.peer = air, private_address(air.irk), peripheral
        air.links = (air.links + 1) % 256
        self.number = bytes([air.links])
        self.seals = self.opens = None
        self.arrived = {ATT: [], SIGNALLING: [], SMP: [], CONTROL: [], CHANNEL: []}
        self.credits, self.taken, self.whole = 0, b"", None
        air.say(CONNECT, self.number + on_air(self.own) + on_air(self.peer))
        self.up = False
        while not self.up:
            self.turn(2)

    def turn(self, patience_s):
        """Takes a frame; False when none came in time."""
        frame = self.air.hear(time.monotonic() + patience_s)
        if not frame:
            if self.up:
                return False
            raise Lost(0x3E, "nobody answers")
        kind, body = frame
        if kind == ADVERTISEMENT or body[:1] != self.number:
            return True
        pdu = body[1:]
        if kind == CONNECTED:
            self.up = True
        elif kind == TERMINATE:
            raise Lost(pdu[0], "the vehicle has ended the link")
        elif kind in (CONTROL, DATA):
            pdu = self.opens.open(kind, pdu) if self.opens else pdu
            if kind == CONTROL:
                self.arrived[CONTROL].append(pdu)
            else:
                self.take(int.from_bytes(pdu[2:4], "little"), pdu[4:])
        return True

    def wait(self, where, patience_s=30):
        """The next of what comes there."""
        until = time.monotonic() + patience_s
        while not self.arrived[where]:
            if not self.turn(max(until - time.monotonic(), 0.001)) and time.monotonic() >= until:
                raise TimeoutError("nothing came")
        return self.arrived[where].pop(0)

    def put(self, kind, pdu):
        self.air.say(kind, self.number + (self.seals.seal(kind, pdu) if self.seals else pdu))

    def put_pdu(self, channel, pdu):
        self.put(DATA, len(pdu).to_bytes(2, "little") + channel.to_bytes(2, "little") + pdu)

    def leave(self):
        try:
            self.air.say(TERMINATE, self.number + bytes([USER_ENDED]))
        except OSError:
            pass  # it is gone already

    # ---- L2CAP ----

    def take(self, channel, pdu):
        if channel == CHANNEL:
            self.take_part(pdu)
        elif channel == SIGNALLING and pdu[0] == 0x16:
            self.credits += int.from_bytes(pdu[6:8], "little")
        elif channel == SIGNALLING and pdu[0] == 0x06:
            raise Lost(USER_ENDED, "the vehicle has closed the channel")
        elif channel in self.arrived:
            self.arrived[channel].append(pdu)

    def take_part(self, pdu):
        if self.whole is None:
            self.whole, pdu = int.from_bytes(pdu[:2], "little"), pdu[2:]
        self.taken += pdu
        if len(self.taken) >= self.whole:
            self.arrived[CHANNEL].append(self.taken)
            self.taken, self.whole = b"", None
        self.signal(0x16, 1, CHANNEL, 1)  # one PDU, one credit

    def signal(self, code, identifier, *words):
        body = b"".join(word.to_bytes(2, "little") for word in words)
        self.put_pdu(SIGNALLING, bytes([code, identifier]) + len(body).to_bytes(2, "little") + body)

    def read(self, uuid):
        """The value of an attribute; None when there is none."""
        self.put_pdu(ATT, b"\x08\x01\x00\xFF\xFF" + uuid[::-1])
        answer = self.wait(ATT)
        return answer[4:] if answer[0] == 0x09 else None

    def open_channel(self, spsm):
        self.signal(0x14, 1, spsm, CHANNEL, MTU, MPS, CREDITS)
        answer = self.wait(SIGNALLING)
        words = [int.from_bytes(answer[i:i + 2], "little") for i in range(4, 14, 2)]
        if answer[0] != 0x15 or words[4]:
            raise Failed("no channel: %s" % answer.hex())
        self.channel, self.mtu, self.mps, self.credits = words[:4]

    def send(self, sdu):
        rest = len(sdu).to_bytes(2, "little") + sdu
        while rest:
            while not self.credits:
                if not self.turn(30):
                    raise TimeoutError("no credits")
            self.credits -= 1
            self.put_pdu(self.channel, rest[:min(self.mps, MPS)])
            rest = rest[min(self.mps, MPS):]

    def hear(self, patience_s):
        return self.wait(CHANNEL, patience_s)

    # ---- pairing (2.3.5.6) ----

    def smp(self, code, length):
        pdu = self.wait(SMP)
        if pdu[0] == FAILED:
            raise Failed("the vehicle refuses to pair (%02X)" % pdu[1])
        if pdu[0] != code or len(pdu) != 1 + length:
            self.refuse(0x08)
        return pdu[1:]

    def refuse(self, reason):
        self.put_pdu(SMP, bytes([FAILED, reason]))
        raise Failed("pairing has failed (%02X)" % reason)

    def pair(self, own, confirm, random):
        """With our out-of-band data, and the other end's."""
        self.put_pdu(SMP, bytes([REQUEST, 0x03, 1, 0x09, 16, 2, 2]))
        theirs = self.smp(RESPONSE, 6)
        if theirs[3] != 16 or not theirs[2] & 8:
            self.refuse(0x06 if theirs[2] & 8 else 0x03)
        self.put_pdu(SMP, bytes([PUBLIC_KEY]) + own.x[::-1] + own.y[::-1])
        key = self.smp(PUBLIC_KEY, 64)
        x, y = key[31::-1], key[:31:-1]
        if x == own.x or f4(x, x, random, b"\0") != confirm:
            self.refuse(0x0B if x == own.x else 0x04)
        nonce = secrets.token_bytes(16)
        self.put_pdu(SMP, bytes([RANDOM]) + nonce[::-1])
        other_nonce = self.smp(RANDOM, 16)[::-1]
        dh = own.key.exchange(ec.ECDH(), dk.public_from(b"\4" + x + y))
        mac_key, ltk = f5(dh, nonce, other_nonce, self.own, self.peer)
        check = f6(mac_key, nonce, other_nonce, random, OPTIONS, self.own, self.peer)
        self.put_pdu(SMP, bytes([CHECK]) + check[::-1])
        must = f6(mac_key, other_nonce, nonce, own.random if theirs[1] else bytes(16), theirs[2::-1], self.peer, self.own)
        if not secrets.compare_digest(self.smp(CHECK, 16)[::-1], must):
            self.refuse(0x0B)
        self.encrypt(ltk)
        irk, address = self.smp(IDENTITY, 16)[::-1], on_air(self.smp(IDENTITY_ADDRESS, 7))
        self.put_pdu(SMP, bytes([IDENTITY]) + self.air.irk[::-1])
        self.put_pdu(SMP, bytes([IDENTITY_ADDRESS]) + on_air(self.air.address))
        return Bond(ltk, irk, address)

    # ---- encryption (volume 6 part B, 5.1.3) ----

    def control(self, opcode):
        pdu = self.wait(CONTROL)
        if pdu[0] == REJECT_IND:
            raise Failed("the vehicle has no such key (%02X)" % pdu[1])
        if pdu[0] != opcode:
            raise Failed("a control PDU out of turn: %s" % pdu.hex())
        return pdu[1:]

    def encrypt(self, ltk):
        skdm, ivm = secrets.token_bytes(8), secrets.token_bytes(4)
        self.put(CONTROL, bytes([ENC_REQ]) + bytes(10) + skdm + ivm)
        answer = self.control(ENC_RSP)
        key = aes(ltk, answer[7::-1] + skdm[::-1])
        iv = ivm + answer[8:]
        self.control(START_ENC_REQ)
        self.seals, self.opens = Packets(key, iv, True), Packets(key, iv, False)
        self.put(CONTROL, bytes([START_ENC_RSP]))
        self.control(START_ENC_RSP)
