#!/usr/bin/env python3
"""phone.py PARAMETERS [--readers LIST] [--password DIGITS]: a phone with a CCC Digital Key for whoever reads.

    spaaksim run op03 --external phone          # in one terminal
    docs/examples/phone.py out/op03/external/phone.json

It comes into the field of the reader, is paired, and answers transactions until the reader is gone. Exit status: 0 it has a
paired key, 1 it has none, 3 there is no reader.
"""
import argparse
import json
import sys

import digital_key as dk
from device import Instance, Phone


def greet(parameters, reader):
    """In the field of a reader of the run."""
    entry = next(entry for entry in parameters["links"] if entry["medium"] == "nfc")
    link = dk.Frames(dk.unix_socket(dk.options(entry["endpoint"])[reader]))
    token = entry["tokens"].get(reader)
    if token:  # none with --nfc: then anybody may be that card
        link.say(dk.GREETING, bytes.fromhex(token) + parameters["name"].encode())
    return link


def serve(phone, link, until):
    """Until the reader is gone, or so many transactions are done."""
    while not phone.applet.usable() or phone.applet.usable().transactions < until:
        try:
            kind, body = link.hear()
            if kind in (dk.FIELD_ON, dk.FIELD_OFF):
                phone.reset()
            elif kind == dk.APDU:
                link.say(dk.APDU, phone.answer(body))
            else:
                return
        except ConnectionError:  # it may be gone while an answer is worked out
            return


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("parameters")
    options.add_argument("--password")
    options.add_argument("--readers", default="wcp", help="where it is laid, one after the other, for a transaction: wcp,door")
    chosen = options.parse_args()
    try:
        with open(chosen.parameters, encoding="utf-8") as f:
            parameters = json.load(f)
    except (OSError, ValueError) as e:
        print("phone: %s cannot be read: %s; start the run first, it writes this file" % (chosen.parameters, e), file=sys.stderr)
        return 2
    instance = Instance(parameters)
    phone = Phone(instance, chosen.password or instance.password)
    readers = chosen.readers.split(",")
    try:
        for n, reader in enumerate(readers, 1):
            link = greet(parameters, reader)
            serve(phone, link, n if n < len(readers) else float("inf"))
            link.stream.close()
            phone.reset()
    except OSError as e:
        print("phone: no reader: %s" % e, file=sys.stderr)
        return 3
    key = phone.applet.usable()
    if not key:
        print("phone: no key was paired")
        return 1
    print("phone: paired as %s, slot %s, %d transactions" % (
        key.certificate.subject.rfc4514_string(), key.slot.hex(), key.transactions))
    return 0 if key.transactions else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("phone: interrupted", file=sys.stderr)
        sys.exit(130)
