#!/usr/bin/env python3
"""phone_ble.py PARAMETERS [--comes N] [--password DIGITS]: a phone that its vehicle meets over Bluetooth LE.

    spaaksim run op03-over-ble --external phone          # in one terminal; OP-01a/10 when it waits for the password
    docs/examples/phone_ble.py out/op03-over-ble/external/phone.json

It hears the vehicle, asks for owner pairing, and pairs out of band with the key that it then has. Three seconds after its first
transaction it walks away; it comes N times in all, from the second time on as a phone that is known, and stays the last time
until the vehicle goes. Exit status: 0 it was paired, and each time known, 1 it was not, 3 there is no vehicle.
"""
import argparse
import json
import secrets
import sys
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

import bluetooth
import digital_key as dk
from device import make_phone

SPSM = bytes.fromhex("D3B5A1309E234B3A8BE46B1EE5F980A3")
PAIRING = bytes.fromhex("0303F5FF")  # the advertisement begins so while owner pairing is open
FRAMEWORK, SE, EVENT, SUPPLEMENTARY = 0, 1, 3, 5
COMMAND, ANSWER = 0x0B, 0x0C
TIME_SYNC, FIRST_APPROACH_RQ, FIRST_APPROACH_RS = 1, 2, 3
DESELECT, PAIRING_READY, REQUEST_PAIRING, OOB_MISMATCH, APPROACH_FAILED = 0x00, 0x01, 0x04, 0xFC, 0xFE
STAY_S, PATIENCE_S, LOST_S = 3, 60, 600


def sealed(key, plain):
    nonce = secrets.token_bytes(8)
    box = AESCCM(key, tag_length=4).encrypt(nonce, plain, None)
    return box[:-4] + nonce + box[-4:]


def opened(key, box):
    return AESCCM(key, tag_length=4).decrypt(box[-12:-4], box[:-12] + box[-4:], None)


class Handset:
    def __init__(self, air, phone):
        self.air, self.phone, self.bond = air, phone, None
        phone.applet.interface = dk.BLUETOOTH

    # ---- who is heard ----

    def is_ours(self, address, ad):
        """By the address, which only the vehicle's IRK can have made; without a key, by what it says."""
        key = self.phone.applet.usable()
        return bluetooth.resolves(key.radio[0xD0], address) if key else ad.startswith(PAIRING)

    def come(self, last, tarries_s=0):
        """Near, for a while or until the link is gone."""
        vehicle = self.air.scan(self.is_ours, PATIENCE_S)
        if not vehicle:
            raise TimeoutError("no vehicle is heard")
        time.sleep(tarries_s)
        print("phone: hears its vehicle at %s" % vehicle[1:].hex())
        link = bluetooth.Link(self.air, vehicle)
        if self.bond:
            link.encrypt(self.bond.ltk)
            print("phone: the link is encrypted with the bond")
        spsm = link.read(SPSM)
        link.open_channel(int.from_bytes(spsm, "big"))
        if self.bond:
            self.tell_time(link)
        elif self.phone.applet.usable():
            self.first_approach(link)
        else:
            self.event(link, REQUEST_PAIRING)
        self.serve(link, last)

    # ---- what is said ----

    def say(self, link, kind, number, data):
        link.send(bytes([kind, number]) + len(data).to_bytes(2, "big") + data)

    def event(self, link, code):
        self.say(link, EVENT, 1, bytes([1, code]))

    def tell_time(self, link):
        us = int(time.monotonic() * 1e6)
        self.say(link, SUPPLEMENTARY, TIME_SYNC, (1).to_bytes(8, "big") + us.to_bytes(8, "big") + bytes.fromhex("00000032010000"))

    def hear(self, link, patience_s):
        """Type, id and data of a message."""
        sdu = link.hear(patience_s)
        if len(sdu) < 4 or int.from_bytes(sdu[2:4], "big") != len(sdu) - 4:
            raise ConnectionError("no DK message: %s" % sdu.hex())
        return sdu[0], sdu[1], sdu[4:]

    # ---- OP-06/4 and 5 ----

    def first_approach(self, link):
        key = self.phone.applet.usable()
        own, identity = bluetooth.Oob(), key.slot[:8].rjust(8, b"\0")
        intro, master = key.radio.get(0xD4, key.radio_keys[:16]), key.radio.get(0xD5, key.radio_keys[16:])
        kble_oob = dk.hkdf(master, identity, 64)[:16]
        data = self.air.address[1:] + own.confirm + own.random
        self.say(link, SUPPLEMENTARY, FIRST_APPROACH_RQ, sealed(intro, identity) + sealed(kble_oob, data))
        kind, number, answer = self.hear(link, 5)
        if (kind, number, len(answer)) != (SUPPLEMENTARY, FIRST_APPROACH_RS, 50):
            raise bluetooth.Failed("the vehicle does not answer the first approach: %s" % answer.hex())
        try:
            data = opened(kble_oob, answer)
        except InvalidTag:
            self.event(link, APPROACH_FAILED)
            raise bluetooth.Failed("First_Approach_RS is not of our vehicle") from None
        bond = link.pair(own, data[6:22], data[22:])
        if bond.address[1:] != data[:6]:
            self.event(link, OOB_MISMATCH)
            raise bluetooth.Failed("another vehicle's identity came with the keys")
        self.bond = bond
        print("phone: paired out of band with %s" % bond.address[1:].hex())
        self.tell_time(link)

    # ---- commands ----

    def answer(self, kind, apdu):
        """There is no field that goes off here: a SELECT in the middle of owner pairing stands for it."""
        phone = self.phone
        if kind == FRAMEWORK and phone.framework.state == "CREATING" and apdu[1] == 0xA4:
            phone.framework.reset()
        return phone.answer(apdu)

    def serve(self, link, last):
        until = time.monotonic() + LOST_S
        staying = not last
        while time.monotonic() < until:
            try:
                kind, number, data = self.hear(link, until - time.monotonic())
            except TimeoutError:
                break
            if kind in (FRAMEWORK, SE) and number == COMMAND:
                self.say(link, kind, ANSWER, self.answer(kind, data))
            elif (kind, number, data) == (EVENT, 1, bytes([1, PAIRING_READY])):
                self.first_approach(link)
            elif (kind, number, data) != (EVENT, 1, bytes([1, DESELECT])):
                raise bluetooth.Failed("the vehicle says %d/%02X %s" % (kind, number, data.hex()))
            elif staying:  # a transaction is over
                until, staying = time.monotonic() + STAY_S, False
        print("phone: walks away")
        link.leave()


def connect(parameters):
    entry = next(entry for entry in parameters["links"] if entry["medium"] == "ble")
    vehicle, path = next(iter(dk.options(entry["endpoint"]).items()))
    token = entry["tokens"].get(vehicle, "")
    irk, address = secrets.token_bytes(16), secrets.token_bytes(6)
    return bluetooth.Air(path, bytes.fromhex(token), parameters["name"], irk, b"\1" + bytes([address[0] | 0xC0]) + address[1:])


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("parameters")
    options.add_argument("--password")
    options.add_argument("--comes", type=int, default=1, help="how often it comes near")
    options.add_argument("--tarries", type=float, default=0, help="seconds before it connects, when it comes again")
    chosen = options.parse_args()
    try:
        with open(chosen.parameters, encoding="utf-8") as f:
            parameters = json.load(f)
    except (OSError, ValueError) as e:
        print("phone: %s cannot be read: %s; start the run first, it writes this file" % (chosen.parameters, e), file=sys.stderr)
        return 2
    phone, known = make_phone(parameters, chosen.password), True
    try:
        handset = Handset(connect(parameters), phone)
        for n in range(1, chosen.comes + 1):
            try:
                handset.come(n == chosen.comes, chosen.tarries if n > 1 else 0)
            except bluetooth.Lost as e:  # it may come again
                print("phone: %s" % e)
    except (bluetooth.Failed, TimeoutError) as e:
        print("phone: %s" % e)
        known = False
    except OSError as e:
        print("phone: no vehicle any more: %s" % e)
        if not phone.applet.usable():
            return 3
    key = phone.applet.usable()
    if not key:
        print("phone: no key was paired")
        return 1
    print("phone: paired as %s, slot %s, %d transactions" % (
        key.certificate.subject.rfc4514_string(), key.slot.hex(), key.transactions))
    return 0 if key.transactions and known else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("phone: interrupted", file=sys.stderr)
        sys.exit(130)
