#!/usr/bin/env python3
"""check-messages.py bytes.jsonl: verifies the signature of every message that went over GSDP in a recorded run.
check-messages.py --example docs/messages.md: verifies the worked example, part for part.

Written from docs/messages.md alone, with python3-cryptography and a protobuf reader of its own. Prints one line for each
agreement; exit status 1 at the first disagreement.
"""
import hashlib
import json
import sys

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    print("python3-cryptography is missing: apt-get install python3-cryptography", file=sys.stderr)
    sys.exit(77)

TAGS = {2: b"spaak.v1.request", 3: b"spaak.v1.response"}


def differs(what):
    print(f"DIFFERS {what}")
    sys.exit(1)


def agree(what, true):
    if not true:
        differs(what)
    print(f"agree   {what}")


def varint(data, i):
    value = shift = 0
    while True:
        value |= (data[i] & 0x7F) << shift
        shift, i = shift + 7, i + 1
        if data[i - 1] < 0x80:
            return value, i


def fields(data):
    """Number to value: an integer of a varint, bytes of what has a length."""
    out, i = {}, 0
    while i < len(data):
        key, i = varint(data, i)
        value, i = varint(data, i)
        if key & 7 == 2:
            value, i = data[i:i + value], i + value
        elif key & 7 != 0:
            differs(f"wire type {key & 7}")
        out[key >> 3] = value
    return out


def signed_part(direction, body, header):
    return TAGS[direction] + len(body).to_bytes(4, "big") + body + len(header).to_bytes(4, "big") + header


def envelope_parts(envelope):
    outer = fields(envelope)
    direction = 2 if 2 in outer else 3
    inner = fields(outer[direction])
    return direction, outer.get(1, b""), inner[1], inner[2], x509.load_der_x509_certificate(inner[3])


def verifies(key, signature, signed):
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


def check_run(path):
    seen = {2: 0, 3: 0}
    with open(path, encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record.get("medium") != "gsdp":
                continue
            direction, body, header, signature, certificate = envelope_parts(bytes.fromhex(record["hex"]))
            signed, h = signed_part(direction, body, header), fields(header)
            what = f"{record['t_us']} us, {record['from']} to {record['to']}, message type {h[3]}"
            agree(what, verifies(certificate.public_key(), signature, signed))
            for other in (signed[1:], signed_part(5 - direction, body, header)):
                if verifies(certificate.public_key(), signature, other):
                    differs(f"{what}: the signature covers anything")
            seen[direction] += 1
    agree(f"{seen[2]} requests and {seen[3]} responses", seen[2] and seen[3])


def example_parts(path):
    """The lines of the page's code block in no language: a name at the margin, hex behind it and on the lines below."""
    parts, name, fenced, plain = {}, None, False, False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("```"):
                fenced, plain = not fenced, line.strip() == "```"
            elif fenced and plain and line.strip():
                words = line.split()
                name = words.pop(0) if not line[0].isspace() else name
                parts[name] = parts.get(name, "") + "".join(words)
    return {n: bytes.fromhex(h) for n, h in parts.items()}


def check_example(path):
    e = example_parts(path)
    signed = b"".join(v for n, v in e.items() if n.startswith("signed."))
    header = b"".join(v for n, v in e.items() if n.startswith("header."))
    agree("the header's fields make up the header", header == e["signed.header"])
    agree("tag and lengths", signed == signed_part(2, e["signed.body"], header))
    agree("sha256", hashlib.sha256(signed).digest() == e["sha256"])
    direction, body, in_header, signature, certificate = envelope_parts(e["envelope"])
    agree("the envelope has these parts", (direction, body, in_header, signature) ==
          (2, e["signed.body"], header, e["signature"]))
    agree("and this certificate", certificate.public_bytes(serialization.Encoding.DER) == e["certificate"])
    point = certificate.public_key().public_bytes(serialization.Encoding.X962,
                                                  serialization.PublicFormat.UncompressedPoint)
    agree("the certificate's key", point == e["public_key"])
    own = ec.derive_private_key(int.from_bytes(e["private_key"], "big"), ec.SECP256R1())
    agree("the private key", own.public_key().public_numbers() == certificate.public_key().public_numbers())
    agree("the signature", verifies(certificate.public_key(), signature, signed))
    issuer = x509.load_der_x509_certificate(e["issuer"]).public_key()
    agree("the certificate's signature", verifies(issuer, certificate.signature, certificate.tbs_certificate_bytes))
    serial = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    agree("the certificate's name is ecu_serial", serial.encode() == fields(header)[4])


def main():
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "--example":
        check_example(arguments[1])
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        check_run(arguments[0])
    else:
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
