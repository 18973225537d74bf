"""A Digital Key that a phone of the run had before somebody outside took its place: `dk/key/0` of its store (docs/ccc.md, Records;
proto/dk_records.proto has the fields)."""
import hashlib

from cryptography import x509

import digital_key as dk

HEAD, KEY, ACTIVE = 60, 2, 1


def fields(body):
    """{number: value} of a protobuf message: integers and bytes; the last of a repeated one."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = body[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(body):
        tag = varint()
        value = varint()
        if tag & 7 == 2:
            value, at = body[at:at + value], at + value
        elif tag & 7:
            raise ValueError("wire type %d" % (tag & 7))
        found[tag >> 3] = value
    return found


def part(body):
    """Offset (2) and length (1), as AUTH1's configuration has them."""
    members = fields(body)
    return members.get(1, 0).to_bytes(2, "big") + bytes([members.get(2, 0)])


class StoredKey:
    """What device.Key is, from a record."""

    def __init__(self, record):
        body = record[HEAD:]
        digest = hashlib.sha256(record[:28] + body).digest()
        if record[:4] != b"DKR1" or record[6] != KEY or len(body) != int.from_bytes(record[24:28], "big") or digest != record[28:HEAD]:
            raise ValueError("no record of a key")
        own = fields(body)
        made = fields(own[2])
        self.active = own.get(1) == ACTIVE
        self.vehicle_id, self.slot, self.vehicle_pk = made[1], made[9], made[5]
        self.creation = {0x46: bytes([made.get(2, 0)]), 0x47: bytes([made.get(3, 0)])}
        self.key, self.certificate = dk.key_from(fields(own[5])[2]), x509.load_der_x509_certificate(own[7])
        self.private, self.confidential = bytearray(own[8]), bytearray(own[9])
        self.shown = {tag: part(own[field]) for tag, field in ((0x4A, 10), (0x4B, 11)) if field in own}
        self.kpersistent = own.get(12) or None
        self.radio_keys, self.radio = own[42] + own[43], {0xD0: own[45], 0xD1: own[46]}
        self.accepted, self.attestation, self.transactions = True, own.get(49), 0


def stored_keys(parameters):
    """The keys that open something."""
    store = parameters["stores"].get(parameters["name"], {})
    keys = [StoredKey(bytes.fromhex(value["hex"])) for name, value in store.items() if name.startswith("dk/key/")]
    return [key for key in keys if key.active]
