#!/usr/bin/env python3
"""vandal_ble.py PARAMETERS DEED ...: a phone that comes over the air and does what no phone does, one deed after the other, then
behaves and is paired. Used by tests/test_external_air.c, on the phone of docs/examples."""
import json
import os
import secrets
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "examples"))
try:
    import bluetooth as b
    import phone_ble
except ImportError:
    print("python3-cryptography is missing")
    sys.exit(77)




def link_of(handset):
    vehicle = handset.air.scan(handset.is_ours, 20)
    if not vehicle:
        raise TimeoutError("no vehicle is heard")
    return b.Link(handset.air, vehicle)


def channel_of(handset):
    link = link_of(handset)
    link.open_channel(int.from_bytes(link.read(phone_ble.SPSM), "big"))
    return link


def until_over(link):
    try:
        while link.turn(20):
            pass
    except b.Lost as e:
        print("vandal: %s" % e)


def rubbish(handset):
    handset.air.stream.sendall(bytes(range(255, 0, -1)))
    link_of(handset)


def wrong_pdu(handset):
    link = link_of(handset)
    link.put(b.DATA, b"\x04\x00\x04\x00\x08")
    until_over(link)


def no_channel(handset):
    until_over(link_of(handset))


def no_word(handset):
    until_over(channel_of(handset))


def no_message(handset):
    link = channel_of(handset)
    link.send(b"\x05\x02\x00\x46")
    until_over(link)


def no_key(handset):
    link = channel_of(handset)
    handset.say(link, phone_ble.SUPPLEMENTARY, phone_ble.FIRST_APPROACH_RQ, secrets.token_bytes(70))
    until_over(link)


def wrong_ltk(handset):
    link = link_of(handset)
    try:
        link.encrypt(secrets.token_bytes(16))
    except b.Failed as e:
        print("vandal: %s" % e)
    link.leave()


def at_once(handset):
    """Pairs with data that nobody has given it, before any first approach."""
    link = channel_of(handset)
    try:
        link.pair(b.Oob(), secrets.token_bytes(16), secrets.token_bytes(16))
    except b.Failed as e:
        print("vandal: %s" % e)
    until_over(link)


def leave(handset):
    link = channel_of(handset)
    handset.event(link, phone_ble.REQUEST_PAIRING)
    link.hear(10)
    link.leave()


def flood(handset):
    link = link_of(handset)
    handset.air.stream.settimeout(20)
    pdu = b"\x08\x01\x00\xFF\xFF" + phone_ble.SPSM[::-1]
    while True:
        link.put_pdu(b.ATT, pdu)


DEEDS = {deed.__name__: deed for deed in (rubbish, wrong_pdu, no_channel, no_word, no_message, no_key, wrong_ltk, at_once, leave,
                                          flood)}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        parameters = json.load(f)
    instance = phone_ble.Instance(parameters)
    phone = phone_ble.Phone(instance, instance.password)
    for name in sys.argv[2:]:
        print("vandal: %s" % name, flush=True)
        handset = phone_ble.Handset(phone_ble.connect(parameters), phone)
        try:
            DEEDS[name](handset)
        except (OSError, b.Failed, TimeoutError) as e:
            print("vandal: %s" % e)
        handset.air.stream.close()
    handset = phone_ble.Handset(phone_ble.connect(parameters), phone)
    try:
        handset.come(True)
    except OSError as e:
        print("vandal: %s" % e)
    return 0 if phone.applet.usable() and phone.applet.usable().transactions else 1


if __name__ == "__main__":
    sys.exit(main())
