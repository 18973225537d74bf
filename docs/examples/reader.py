#!/usr/bin/env python3
"""reader.py SPAAK.json WCP.json: a charging pad and the vehicle behind it, that make a phone the owner's key.

    spaaksim run FILE --external spaak,wcp          # in one terminal
    docs/examples/reader.py out/NAME/external/spaak.json out/NAME/external/wcp.json

It joins the vehicle's CAN as the SpaaK Module, listens where the pad's cards come, takes the first one through owner pairing to
its first standard transaction, and by a fast one unlocks the doors: the body controller is the run's. Exit status: 0 the phone is
the owner's key, 1 it is not and why is said.
"""
import hashlib
import json
import os
import secrets
import socket
import sys
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import digital_key as dk

WAIT_S = 60
SLOT = bytes.fromhex("0000000000000001")
# offsets: SigBmp, SlotIdentBmp, slot identifiers, OEM data, KeyAtt, end; length of a token
MAPPING = dk.tlv(0xD0, b"\0\0") + dk.tlv(0xC0, b"\0\1") + dk.tlv(0xC1, b"\0\2") + dk.tlv(0xC2, b"\0\x42") + dk.tlv(
    0xC3, b"\0\x62") + dk.tlv(0xD1, b"\x02\x62") + dk.tlv(0xD2, b"\x10")


class Failed(Exception):
    pass


# ---- CAN, on the hub ----


def join_bus(link, name, wanted):
    """A node of that bus, which hears the frames of these identifiers."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path, group = link["endpoint"][len("hub:"):].split(";")[0], int(dk.options(link["endpoint"])["group"])
    s.connect(path)
    token = bytes.fromhex(link["tokens"][name])
    identifiers = b"".join(identifier.to_bytes(4, "big") for identifier in wanted)
    s.send(bytes([1, group * 4 + link["segment"], 0, len(wanted)]) + identifiers + name.encode().ljust(32, b"\0") + token)
    answer = s.recv(16384)
    if answer[:1] != b"\2":
        raise Failed("the hub: %s" % answer[1:].decode())
    return s


SPAAK_STATUS, BCM_STATUS, SPAAK_BCM_CMD = 0x3A8, 0x3B8, 0x3C0
FD = 4 | 8  # CAN FD, bit rate switch


def send_frame(bus, identifier, data, flags=0):
    bus.send(b"\3" + identifier.to_bytes(4, "big") + bytes([flags, len(data)]) + data)


def frames(packet):
    """(identifier, data) of each frame of a packet of the hub's."""
    at = 1
    while packet[:1] == b"\3" and at + 6 <= len(packet):
        end = at + 6 + packet[at + 5]
        yield int.from_bytes(packet[at:at + 4], "big"), packet[at + 6:end]
        at = end


def send_status(bus):
    """SpaaK_Status: whoever watches the bus knows that it lives. The last byte is the checksum of docs/messages.md."""
    data = bytes([0x06, 0, 0, 0, 0, 0, 0])
    checksum = 0xA5
    for byte in b"\x03\xA8" + data:
        checksum ^= byte
    send_frame(bus, SPAAK_STATUS, data + bytes([checksum]))


def nonce_of(bus):
    """The body controller announces another with each BCM_Status that follows a command. What came before now is old."""
    bus.setblocking(False)
    try:
        while bus.recv(16384):
            pass
    except BlockingIOError:
        bus.settimeout(WAIT_S)
    while True:
        packet = bus.recv(16384)
        if packet[:1] != b"\3":
            raise Failed("the hub: %s" % packet[1:].decode(errors="replace"))
        for identifier, data in frames(packet):
            if identifier == BCM_STATUS:
                return data[2:6]


def send_command(bus, key, order, transaction):
    """SpaaK_BCM_Cmd: 1 unlocks. It names the transaction that it comes of."""
    head = bytes([order, secrets.randbelow(256)]) + transaction[:8] + nonce_of(bus) + bytes(2)
    send_frame(bus, SPAAK_BCM_CMD, head + dk.aes_cmac(key, b"\x03\xC0" + head)[:8], FD)


# ---- NFC, as the reader ----


class Card:
    def __init__(self, stream, tokens):
        stream.settimeout(WAIT_S)
        self.link = dk.Frames(stream)
        name = self.greeted(tokens) if tokens else "somebody"  # with --nfc nobody greets
        print("reader: %s is in the field" % name)
        self.link.say(dk.FIELD_ON)

    def greeted(self, tokens):
        kind, said = self.link.hear()
        name = said[32:].decode()
        if kind != dk.GREETING or not secrets.compare_digest(said[:32].hex(), tokens.get(name, "")):
            raise Failed("a card that nobody knows")
        return name

    def reset(self):
        self.link.say(dk.FIELD_OFF)
        time.sleep(0.1)
        self.link.say(dk.FIELD_ON)

    def send(self, apdu):
        """(data, SW)"""
        self.link.say(dk.APDU, apdu)
        kind, answer = self.link.hear()
        if kind != dk.APDU or len(answer) < 2:
            raise Failed("no answer")
        return answer[:-2], answer[-2:]

    def ask(self, what, apdu):
        data, sw = self.send(apdu)
        if sw != b"\x90\x00":
            raise Failed("%s: %s" % (what, sw.hex()))
        return data

    def select(self, aid):
        return self.send(bytes.fromhex("00A404000D") + aid + b"\0")


def apdu(header, data):
    return bytes.fromhex(header) + bytes([len(data)]) + data + b"\0"


# ---- the vehicle ----


def entries(parameters):
    return {k: bytes.fromhex(v["hex"]) for store in parameters["stores"].values() for k, v in store.items()}


class Vehicle:
    def __init__(self, parameters):
        own = entries(parameters)
        self.key = dk.key_from(own["vehicle/key"])
        self.certificate, self.intermediate, self.root = (
            own[name] for name in ("vehicle/certificate", "anchor/J1", "anchor/J"))
        self.w0, self.l = int.from_bytes(own["verifiers/w0"], "big"), dk.decode(own["verifiers/l"])
        self.body_key = own["body-key"]
        self.salt, self.n = own["verifiers/scrypt"][:16], own["verifiers/scrypt"][16:]
        name = x509.load_der_x509_certificate(self.certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        self.id = bytes.fromhex(name.split(".")[4])
        root = x509.load_der_x509_certificate(self.root)
        self.creation = (dk.tlv(0x4D, self.id) + dk.tlv(0x46, b"\x33") + dk.tlv(0x47, b"\x81") + dk.tlv(0x5C, dk.VERSION) +
                         dk.tlv(0x5B, dk.point_of(self.key)) + dk.tlv(0x49, dk.point_of(root.public_key())) +
                         dk.tlv(0x4A, b"\0\x80") + dk.tlv(0x4B, b"\x02\x62") + dk.tlv(0x4E, SLOT))

    # ---- phase 2 ----

    def meet(self, card):
        """SELECT until the phone has its password."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            data, sw = card.select(dk.FRAMEWORK)
            if sw == b"\x90\x00" and dk.members(data).get(0xD4) == b"\x02":
                return
            time.sleep(0.5)
            card.reset()
        raise Failed("the phone has no password")

    def agree(self, card):
        """SPAKE2+; the framework's channel."""
        tlv_5b, tlv_5c = dk.tlv(0x5B, dk.VERSION), dk.tlv(0x5C, dk.VERSION)
        scrypt = dk.tlv(0xC0, self.salt) + dk.tlv(0xC1, self.n) + dk.tlv(0xC2, b"\0\x08") + dk.tlv(0xC3, b"\0\1")
        answer = card.ask("REQUEST", apdu("80300000", tlv_5b + tlv_5c + dk.tlv(0x7F50, scrypt) + dk.tlv(0xD6, b"\0\1")))
        x = dk.members(answer)[0x50]
        secret = dk.random_scalar()
        y = dk.encode(dk.add(dk.multiply(secret, dk.G), dk.multiply(self.w0, dk.N)))
        base = dk.subtract(dk.decode(x), dk.multiply(self.w0, dk.M))
        spake = dk.Spake(x, y, dk.multiply(secret, base), dk.multiply(secret, self.l), self.w0, tlv_5b, tlv_5c)
        answer = card.ask("VERIFY", apdu("80320000", dk.tlv(0x52, y) + dk.tlv(0x57, spake.m1)))
        if not secrets.compare_digest(dk.members(answer)[0x58], spake.m2):
            card.send(bytes.fromhex("803C1209"))
            raise Failed("the phone's evidence is wrong")
        return dk.Channel(spake.system, True)

    def write(self, card, channel):
        configuration = dk.tlv(0x7F49, dk.tlv(0x5F50, b""))
        rows = (dk.tlv(0x7F4A, self.creation) + dk.tlv(0x7F4B, self.certificate) + dk.tlv(0x7F4C, self.intermediate) +
                dk.tlv(0x7F4D, MAPPING) + dk.tlv(0x7F4E, configuration) + dk.tlv(0x5F5F, b""))
        for at in range(0, len(rows), dk.PIECE):
            p1 = 0x80 if at + dk.PIECE >= len(rows) else 0
            data = card.ask("WRITE DATA", channel.command(bytes([0x84, 0xD4, p1, 0]), rows[at:at + dk.PIECE]))
            channel.open_answer(data, b"\x90\x00")
        card.ask("OP CONTROL FLOW 10/01", bytes.fromhex("803C1001"))

    def get(self, card, channel, tag):
        whole = b""
        data, sw = card.send(channel.command(bytes.fromhex("84CA0000"), tag))
        while sw[0] == 0x61 or sw == b"\x90\x00":
            whole += channel.open_answer(data, sw)
            if sw == b"\x90\x00":
                return x509.load_der_x509_certificate(whole)
            channel.step()
            data, sw = card.send(bytes.fromhex("84C0000000"))
        raise Failed("GET DATA %s: %s" % (tag.hex(), sw.hex()))

    def check(self, chain):
        """J -> F -> E -> H, and that [H] was made for what was written."""
        above = x509.load_der_x509_certificate(self.root)
        for letter, certificate in zip("FEH", chain):
            try:
                above.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                raise Failed("[%s] is not signed by what stands above it" % letter) from None
            if certificate.issuer != above.subject:
                raise Failed("[%s] has another issuer" % letter)
            above = certificate
        value = chain[2].extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.4.1.41577.5.4")).value.value
        for what, member in (("vehicle", self.id), ("slot", SLOT), ("vehicle key", dk.point_of(self.key))):
            if member not in value:
                raise Failed("[H] was made for another %s" % what)

    def attest(self, device_pk):
        """What the key tracking server will want: this vehicle has taken that key."""
        key_id = hashlib.sha1(device_pk).digest()
        statement = dk.tlv(0x7F2B, dk.tlv(0x41, b"\1") + dk.tlv(0x92, key_id) + dk.tlv(0x4D, self.id) + dk.tlv(0x4E, SLOT) +
                           dk.tlv(0x5A, device_pk) + dk.tlv(0x93, bytes.fromhex("4F504154")))
        return statement + dk.tlv(0x9E, dk.sign(self.key, statement))

    def pair(self, card):
        self.meet(card)
        channel = self.agree(card)
        print("reader: the phone knows the password")
        self.write(card, channel)
        until = time.monotonic() + 30
        card.reset()
        while card.select(dk.FRAMEWORK)[1] != b"\x90\x00":
            if time.monotonic() > until:
                raise Failed("the phone makes no key")
            time.sleep(0.5)
        chain = [self.get(card, channel, tag) for tag in (b"\x7F\x20", b"\x7F\x22", b"\x7F\x24")]
        self.check(chain)
        device_pk = dk.point_of(chain[2].public_key())
        data = dk.tlv(0x5F5A, self.attest(device_pk)) + dk.tlv(0x5F5F, b"")
        channel.open_answer(card.ask("WRITE DATA", channel.command(bytes.fromhex("84D48000"), data)), b"\x90\x00")
        card.ask("OP CONTROL FLOW 10/02", bytes.fromhex("803C1002"))
        card.reset()
        print("reader: it made the key of %s" % chain[2].subject.rfc4514_string())
        return device_pk

    # ---- phase 3 ----

    def open(self, card, device_pk):
        """A standard transaction with that key: the applet's channel."""
        if card.select(dk.APPLET)[1] != b"\x90\x00":
            raise Failed("SELECT applet")
        ephemeral, tid, flag = dk.new_key(), secrets.token_bytes(16), b"\x04\x07"
        answer = card.ask("AUTH0", apdu("8080" + flag.hex(), dk.tlv(0x5C, dk.VERSION) + dk.tlv(
            0x87, dk.point_of(ephemeral)) + dk.tlv(0x4C, tid) + dk.tlv(0x4D, self.id)))
        peer = dk.members(answer)[0x86]
        t = dk.Transaction(self.id, dk.point_of(ephemeral), peer, tid, flag)
        data = card.ask("AUTH1", apdu("80810000", dk.tlv(0x9E, dk.sign(self.key, t.signed(dk.BY_VEHICLE)))))
        keys, self.kpersistent = t.keys(ephemeral, peer)
        channel = dk.Channel(keys, False)
        plain = dk.members(channel.open_answer(data, b"\x90\x00"))
        if plain[0x4E] != SLOT:
            raise Failed("a key of another slot")
        dk.verify(device_pk, plain[0x9E], t.signed(dk.BY_DEVICE))
        return channel

    def finish(self, card, device_pk):
        """Slot identifier and token into entry 0, then the bitmaps; all of it is read again."""
        channel, token = self.open(card, device_pk), secrets.token_bytes(16)
        operations = (dk.tlv(0x8A, b"\0\2" + SLOT) + dk.tlv(0x8B, b"\0\0" + token) + dk.tlv(0x8A, b"\0\1" + b"\x01") +
                      dk.tlv(0x8A, b"\0\0" + b"\x03"))
        header = bytes.fromhex("84C90000")
        channel.open_answer(card.ask("EXCHANGE", channel.command(header, b"\0" + operations)), b"\x90\x00")
        again = dk.tlv(0x87, b"\0\1\x09") + dk.tlv(0x88, b"\0\0\x10")
        read = channel.open_answer(card.ask("EXCHANGE", channel.command(header, b"\0" + again)), b"\x90\x00")
        if read != b"\x01" + SLOT + token:
            raise Failed("the mailboxes have %s" % read.hex())
        card.ask("CONTROL FLOW", bytes.fromhex("803C0107"))
        card.reset()

    def unlock(self, card, device_pk, bus):
        """A fast transaction: the cryptogram is enough for the doors."""
        data, sw = card.select(dk.APPLET)
        versions = dk.members(data)[0x5C]
        ephemeral, tid, flag = dk.new_key(), secrets.token_bytes(16), b"\x01\x01"
        answer = dk.members(card.ask("AUTH0", apdu("8080" + flag.hex(), dk.tlv(0x5C, dk.VERSION) + dk.tlv(
            0x87, dk.point_of(ephemeral)) + dk.tlv(0x4C, tid) + dk.tlv(0x4D, self.id))))
        t = dk.Transaction(self.id, dk.point_of(ephemeral), answer[0x86], tid, flag)
        expected = t.fast(self.kpersistent, dk.point_of(self.key), device_pk, versions)[0]
        if not secrets.compare_digest(answer[0x9D], expected):
            raise Failed("the cryptogram of the fast transaction is wrong")
        card.ask("CONTROL FLOW", bytes.fromhex("803C0100"))
        card.link.say(dk.FIELD_OFF)
        send_command(bus, self.body_key, 1, tid)
        print("reader: a fast transaction with it has opened the door")


def listen(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    os.chmod(path, 0o600)
    s.listen(1)
    s.settimeout(WAIT_S)
    return s


def main():
    if len(sys.argv) != 3:
        print(__doc__.split("\n")[0], file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as spaak_file, open(sys.argv[2], encoding="utf-8") as wcp_file:
        spaak, wcp = json.load(spaak_file), json.load(wcp_file)
    nfc = next(link for link in wcp["links"] if link["medium"] == "nfc")
    path = dk.options(nfc["endpoint"])["listen"]
    try:
        listener = listen(path)
        bus = join_bus(spaak["links"][0], spaak["name"], [BCM_STATUS])
        send_status(bus)
        card = Card(listener.accept()[0], nfc["tokens"])
        vehicle = Vehicle(spaak)
        device_pk = vehicle.pair(card)
        vehicle.finish(card, device_pk)
        vehicle.unlock(card, device_pk, bus)
    except (Failed, InvalidSignature, OSError, ValueError, KeyError) as e:
        print("reader: %s: %s" % (type(e).__name__, e))
        return 1
    finally:
        if os.path.exists(path):
            os.unlink(path)
    print("reader: the phone is the owner's key")
    return 0


if __name__ == "__main__":
    sys.exit(main())
