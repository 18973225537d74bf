#!/usr/bin/env python3
"""vandal.py PARAMETERS HOW [N ...]: a phone that from its Nth command on does what no card does, for each N, and comes back
each time. With N = 0 it behaves. Used by tests/test_external.c, on the phone of docs/examples."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "examples"))
try:
    import digital_key as dk
    import phone
except ImportError:
    print("python3-cryptography is missing")
    sys.exit(77)


def garbage(link):
    link.say(dk.APDU, bytes(range(200)) + b"\x90\x00")


def no_frame(link):
    link.stream.sendall(b"\x09\xFF\xFF" + bytes(1000))


def leave(link):
    link.stream.close()


def short(link):
    link.say(dk.APDU, b"\x90")


def frame(apdu):
    return bytes([dk.APDU]) + len(apdu).to_bytes(2, "big") + apdu


def twice(link):
    # at once: a second that comes late is the answer to the command that followed the first
    link.stream.sendall(frame(b"\x6A\x80") + frame(b"\x90\x00"))


def hang(link):
    time.sleep(60)


def flood(link):
    while True:
        link.stream.sendall(bytes(65536))


DEEDS = {deed.__name__: deed for deed in (garbage, no_frame, leave, short, twice, hang, flood)}


def connect(parameters):
    entry = next(link for link in parameters["links"] if link["medium"] == "nfc")
    reader, path = next(iter(dk.options(entry["endpoint"]).items()))
    link = dk.Frames(dk.unix_socket(path))
    link.say(dk.GREETING, bytes.fromhex(entry["tokens"][reader]) + parameters["name"].encode())
    return link


def serve(victim, link, deed, at):
    seen = 0
    while True:
        kind, body = link.hear()
        if kind != dk.APDU:
            victim.reset()
            continue
        seen += 1
        if 0 < at <= seen:
            deed(link)
            if deed is leave:
                return
        else:
            link.say(dk.APDU, victim.answer(body))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        parameters = json.load(f)
    for at in map(int, sys.argv[3:]):
        try:
            serve(phone.make_phone(parameters), connect(parameters), DEEDS[sys.argv[2]], at)
        except OSError as e:
            print("vandal: %s at %d: %s" % (sys.argv[2], at, e))
    return 0


if __name__ == "__main__":
    sys.exit(main())
