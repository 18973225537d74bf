#!/usr/bin/env python3
"""radio.py PARAMETERS [--for SECONDS]: a vehicle's radio without a vehicle: it says that owner pairing is open, and sends away who comes.

    spaaksim run docs/examples/radio-outside.yaml --external spaak          # in one terminal
    docs/examples/radio.py out/radio-outside/external/spaak.json            # in another

It is a peripheral of Bluetooth LE in the clear: an advertisement, the SPSM, one channel (docs/air-ble.md). Who wants more of it
begins here, with the vehicle's half of digital_key.py. Exit status: 0 a phone has asked for owner pairing, 1 none has.
"""
import argparse
import hmac
import json
import os
import secrets
import socket
import sys

import bluetooth as b
import digital_key as dk

SPSM = bytes.fromhex("D3B5A1309E234B3A8BE46B1EE5F980A3")
AD = bytes.fromhex("0303F5FF")
SIGNAL = -59  # dBm, at one metre
REQUEST_PAIRING, GENERAL_ERROR = bytes.fromhex("030100020104"), bytes.fromhex("030100020180")


def words(*numbers):
    return b"".join(number.to_bytes(2, "little") for number in numbers)


class Radio:
    """One central, and its link."""

    def __init__(self, frames, address):
        self.frames, self.address, self.link, self.asked = frames, address, None, False
        self.channel, self.sdu, self.whole = None, b"", None

    def put(self, channel, pdu):
        self.frames.say(b.DATA, self.link + words(len(pdu), channel) + pdu)

    def advertise(self):
        self.frames.say(b.ADVERTISEMENT, SIGNAL.to_bytes(1, "big", signed=True) + b.on_air(self.address) + AD)

    def take(self, kind, body):
        if kind == b.LISTEN and body == b"\1":
            self.advertise()
        elif kind == b.CONNECT and self.link is None:
            self.connect(body)
        elif kind == b.TERMINATE and body[:1] == self.link:
            print("radio: the phone ends the link (%02X)" % body[1])
            self.link = None
        elif kind == b.DATA and body[:1] == self.link:
            self.take_pdu(int.from_bytes(body[3:5], "little"), body[5:])
        elif kind == b.CONTROL and body[:1] == self.link:
            self.frames.say(b.CONTROL, self.link + bytes([b.REJECT_IND, 0x06]))  # it knows no bond

    def connect(self, body):
        if b.on_air(body[8:15]) != self.address:
            self.frames.say(b.TERMINATE, body[:1] + b"\x3E")
            return
        self.link, self.channel, self.sdu, self.whole = body[:1], None, b"", None
        print("radio: a phone connects as %s" % b.on_air(body[1:8])[1:].hex())
        self.frames.say(b.CONNECTED, self.link)

    def take_pdu(self, channel, pdu):
        if channel == b.ATT and pdu[0] == 0x08:
            known = pdu[5:] == SPSM[::-1]
            self.put(b.ATT, b"\x09\x04\x01\x00\x00\x80" if known else b"\x01\x08\x01\x00\x0A")
        elif channel == b.SIGNALLING and pdu[0] == 0x14:
            self.channel = int.from_bytes(pdu[6:8], "little")
            answer = words(b.CHANNEL, b.MTU, b.MPS, b.CREDITS, 0)
            self.put(b.SIGNALLING, bytes([0x15, pdu[1]]) + words(len(answer)) + answer)
        elif channel == b.SMP and pdu[0] == b.REQUEST:
            self.put(b.SMP, bytes([b.FAILED, 0x03]))
        elif channel == b.CHANNEL:
            self.take_part(pdu)

    def take_part(self, pdu):
        if self.whole is None:
            self.whole, pdu = int.from_bytes(pdu[:2], "little"), pdu[2:]
        self.sdu += pdu
        self.put(b.SIGNALLING, b"\x16\x01" + words(4, b.CHANNEL, 1))
        if len(self.sdu) >= self.whole:
            self.take_message(self.sdu)
            self.sdu, self.whole = b"", None

    def take_message(self, message):
        print("radio: the phone says %s" % message.hex())
        self.asked |= message == REQUEST_PAIRING
        self.put(self.channel, words(len(GENERAL_ERROR)) + GENERAL_ERROR)
        self.frames.say(b.TERMINATE, self.link + bytes([b.USER_ENDED]))
        self.link = None


def admit(frames, tokens):
    """The name of who greets; None for a stranger."""
    kind, body = frames.hear()
    name = body[32:].decode("ascii", "replace")
    token = bytes.fromhex(tokens.get(name, ""))
    return name if kind == b.GREETING and token and hmac.compare_digest(token, body[:32]) else None


def serve(stream, tokens, seconds):
    stream.settimeout(seconds)
    radio = Radio(dk.Frames(stream), b.private_address(secrets.token_bytes(16)))
    try:
        name = admit(radio.frames, tokens) if tokens else "a phone"
        if not name:
            return False
        print("radio: %s is around" % name)
        while not radio.asked:
            radio.take(*radio.frames.hear())
    except (OSError, IndexError) as e:
        print("radio: %s" % (e or "a frame that is none"))
    return radio.asked


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("parameters")
    options.add_argument("--for", type=float, default=60, dest="seconds", help="how long it waits for a phone to ask")
    chosen = options.parse_args()
    with open(chosen.parameters, encoding="utf-8") as f:
        entry = next(entry for entry in json.load(f)["links"] if entry["medium"] == "ble")
    path = dk.options(entry["endpoint"])["listen"]
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(path)
    try:
        os.chmod(path, 0o600)
        door.listen()
        door.settimeout(chosen.seconds)
        while not serve(door.accept()[0], entry["tokens"], chosen.seconds):
            pass
        print("radio: a phone has asked for owner pairing, and was sent away")
        return 0
    except socket.timeout:
        print("radio: nobody has come")
        return 1
    finally:
        if os.path.exists(path):  # it goes with the run's folder
            os.unlink(path)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("radio: interrupted", file=sys.stderr)
        sys.exit(130)
