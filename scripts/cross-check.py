#!/usr/bin/env python3
"""cross-check.py < RECORD: derives the keys of a recorded pairing and of two unlocks a second time, from the link and
each side's secrets, with python3-cryptography and curve arithmetic written here. Nothing is shared with lib/ccc. Prints one
line for each agreement; exit status 1 at the first disagreement.

    build/tests/record_exchange | scripts/cross-check.py
    scripts/cross-check.py --example docs/apdu.md      # the page's two transactions, number for number
"""
import hashlib
import json
import sys

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import cmac, hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
except ImportError:
    print("python3-cryptography is missing: apt-get install python3-cryptography", file=sys.stderr)
    sys.exit(77)

# ---- P-256, y^2 = x^3 - 3x + b ----
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
# RFC 9383, section 4, compressed
M = bytes.fromhex("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f")
N_POINT = bytes.fromhex("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49")


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def mul(k, p):
    r = None
    while k:
        if k & 1:
            r = add(r, p)
        p = add(p, p)
        k >>= 1
    return r


def negative(p):
    return p[0], -p[1] % P


def decode(b):
    n = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b).public_numbers()
    return n.x, n.y


def encode(p):
    return b"\x04" + p[0].to_bytes(32, "big") + p[1].to_bytes(32, "big")


# ---- what the protocol is made of ----
def hkdf(key, info, n):
    return HKDF(hashes.SHA256(), n, None, info).derive(key)


def mac(key, *parts):
    c = cmac.CMAC(algorithms.AES(key))
    for part in parts:
        c.update(part)
    return c.finalize()


def cbc(key, iv, data):
    d = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return d.update(data) + d.finalize()


def ecb(key, block):
    e = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return e.update(block) + e.finalize()


def tlvs(data):
    out, i = {}, 0
    while i < len(data):
        n = 2 if data[i] & 0x1F == 0x1F else 1
        tag, i = data[i:i + n].hex(), i + n
        size, i = data[i], i + 1
        if size == 0x81:
            size, i = data[i], i + 1
        elif size == 0x82:
            size, i = int.from_bytes(data[i:i + 2], "big"), i + 2
        out[tag], i = data[i:i + size], i + size
    return out


def agree(what, ours, theirs):
    if ours != theirs:
        print(f"DIFFERS {what}\n  recorded {theirs.hex()}\n  derived  {ours.hex()}")
        sys.exit(1)
    print(f"agree   {what}")


def command_data(apdu):
    return apdu[5:5 + apdu[4]]


def unprotect(keys, apdu, counter, mcv, header):
    """Plaintext of a protected command; checks its MAC."""
    data = command_data(apdu)
    cipher, tag = data[:-8], data[-8:]
    agree("C-MAC of " + apdu[:4].hex(), mac(keys[1], mcv, apdu[:5] if header else b"", cipher)[:8], tag)
    plain = cbc(keys[0], ecb(keys[0], bytes(15) + bytes([counter])), cipher)
    return plain[:plain.rindex(b"\x80")]


def spake2p(r):
    request, verify = tlvs(command_data(r["pairing_request"])), tlvs(command_data(r["pairing_verify"]))
    s = tlvs(request["7f50"])
    n, cost_r, cost_p = (int.from_bytes(s[t], "big") for t in ("c1", "c2", "c3"))
    z = Scrypt(s["c0"], 80, n, cost_r, cost_p).derive(r["password"])
    w0, w1 = (int.from_bytes(h, "big") % (N - 1) + 1 for h in (z[:40], z[40:]))
    x = int.from_bytes(r["x"], "big")
    share_x, share_y = tlvs(r["pairing_request_answer"][:-2])["50"], verify["52"]
    agree("X = x*G + w0*M", encode(add(mul(x, G), mul(w0, decode(M)))), share_x)
    t = add(decode(share_y), negative(mul(w0, decode(N_POINT))))
    parts = [share_x, share_y, encode(mul(x, t)), encode(mul(w1, t)), w0.to_bytes(32, "big")]
    k = hashlib.sha256(b"".join(len(p).to_bytes(8, "little") + p for p in parts)).digest()
    raw = command_data(r["pairing_request"])
    versions = raw[:2 + raw[1]] + raw[2 + raw[1]:][:2 + raw[3 + raw[1]]]
    k12 = hkdf(k[:16], b"ConfirmationKeys" + versions, 32)
    agree("M[1]", mac(k12[:16], share_x), verify["57"])
    agree("M[2]", mac(k12[16:], share_y), tlvs(r["pairing_verify_answer"][:-2])["58"])
    okm = hkdf(k[16:], b"SystemKeys", 96)
    names = ["pairing_kenc", "pairing_kmac", "pairing_krmac", "long_term_shared_secret", "kble_intro", "kble_oob_master"]
    for i, name in enumerate(names):
        agree(name, okm[16 * i:16 * i + 16], r[name])
    plain = unprotect([okm[:16], okm[16:32]], r["pairing_write"], 1, bytes(16), True)
    agree("first WRITE DATA begins with 7F4A", plain[:2], b"\x7f\x4a")


def certificates(r):
    certs = {n: x509.load_der_x509_certificate(r[n]) for n in ("j", "j1", "k", "f", "e", "h")}
    for subject, issuer in (("j", "j"), ("j1", "j"), ("k", "j1"), ("f", "j"), ("e", "f"), ("h", "e")):
        s, i = certs[subject], certs[issuer]
        i.public_key().verify(s.signature, s.tbs_certificate_bytes, ec.ECDSA(s.signature_hash_algorithm))
        agree(f"[{subject.upper()}] is signed by [{issuer.upper()}], names match", s.issuer.public_bytes(),
              i.subject.public_bytes())
    return certs["k"].public_key(), certs["h"].public_key()


def point_x(key):
    return key.public_numbers().x.to_bytes(32, "big")


def transaction(r, name):
    auth0, answer = tlvs(command_data(r[name + "_auth0"])), tlvs(r[name + "_auth0_answer"][:-2])
    return auth0, answer, r[name + "_auth0"][2:4]


def verify(key, auth0, answer, usage, signature):
    signed = b"".join(bytes([t, len(v)]) + v for t, v in (
        (0x4D, auth0["4d"]), (0x86, answer["86"][1:33]), (0x87, auth0["87"][1:33]), (0x4C, auth0["4c"]),
        (0x93, bytes.fromhex(usage))))
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, signed, ec.ECDSA(hashes.SHA256()))


def standard(r, vehicle, device):
    auth0, answer, flag = transaction(r, "standard")
    esk = ec.derive_private_key(int.from_bytes(r["standard_vehicle_esk"], "big"), ec.SECP256R1())
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), answer["86"])
    kdh = X963KDF(hashes.SHA256(), 32, auth0["4c"]).derive(esk.exchange(ec.ECDH(), peer))

    def info(label):
        return auth0["87"][1:33] + answer["86"][1:33] + auth0["4c"] + b"\x5e" + flag + label + b"\x5c\x02" + auth0["5c"]
    okm = hkdf(kdh, info(b"Volatile"), 48)
    keys = [okm[:16], okm[16:32], okm[32:]]
    for k, n in zip(keys, ("kenc", "kmac", "krmac")):
        agree("standard " + n, k, r["standard_" + n])
    agree("Kpersistent", hkdf(kdh, info(b"Persistent"), 32), r["kpersistent"])
    verify(vehicle, auth0, answer, "415D9569", tlvs(command_data(r["standard_auth1"]))["9e"])
    body = r["standard_auth1_answer"][:-2]
    agree("R-MAC of AUTH1", mac(keys[2], bytes(16), body[:-8])[:8], body[-8:])
    plain = cbc(keys[0], ecb(keys[0], b"\x80" + bytes(15)), body[:-8])
    verify(device, auth0, answer, "4E887B4C", tlvs(plain[:plain.rindex(b"\x80")])["9e"])
    print("agree   both signatures of AUTH1")
    unprotect(keys, r["standard_exchange"], 1, bytes(16), False)


def fast(r, vehicle, device):
    auth0, answer, flag = transaction(r, "fast")
    version = b"\x5c\x02" + auth0["5c"]
    info = (point_x(vehicle) + b"VolatileFast" + auth0["4d"] + point_x(device) + b"\x5e" + version + version +
            auth0["87"][1:33] + auth0["4c"] + flag + answer["86"][1:33])
    okm = hkdf(r["kpersistent"], info, 64)
    agree("cryptogram", okm[:16], answer["9d"])
    for i, n in enumerate(("kenc", "kmac", "krmac")):
        agree("fast " + n, okm[16 + 16 * i:32 + 16 * i], r["fast_" + n])
    unprotect([okm[16:32], okm[32:48]], r["fast_exchange"], 1, bytes(16), False)


# ---- the transactions of docs/apdu.md ----
class Page:
    """The page's code block in no language: a name at the margin, hex behind it and on the lines below."""

    def __init__(self, path):
        self.rows, self.compared = {}, set()
        name, fenced, plain = None, False, False
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("```"):
                    fenced, plain = not fenced, line.strip() == "```"
                elif fenced and plain and line.strip():
                    words = line.split()
                    name = words.pop(0) if not line[0].isspace() else name
                    self.rows[name] = self.rows.get(name, "") + "".join(words)
        self.rows = {n: bytes.fromhex(h) for n, h in self.rows.items()}

    def __getitem__(self, name):
        return self.rows[name]

    def agree(self, name, ours):
        self.compared.add(name)
        agree(name, ours, self.rows[name])

    def used(self, *names):
        self.compared.update(names)

    def agree_all_was_compared(self):
        left = sorted(self.rows.keys() - self.compared)
        if left or not self.rows:
            print("DIFFERS nothing is known of " + (", ".join(left) or "any number"))
            sys.exit(1)


def put(tag, value):
    return tag.to_bytes(1, "big") + bytes([len(value)]) + value


def agree_auth0(page, kind):
    """Both ends' ephemeral points, tid, flag: the command and its answer are made of these and nothing else."""
    raw, answer = page[kind + ".auth0"], page[kind + ".auth0_answer"]
    sent, got = tlvs(raw[5:-1]), tlvs(answer[:-2])
    data = put(0x5C, b"\x01\x00") + put(0x87, sent["87"]) + put(0x4C, sent["4c"]) + put(0x4D, page["vehicle_id"])
    p1 = b"\x01" if kind == "fast" else b"\x00"
    page.agree(kind + ".auth0", b"\x80\x80" + p1 + b"\x01" + bytes([len(data)]) + data + b"\0")
    end = put(0x9D, page["fast.cryptogram"]) if kind == "fast" else b""
    page.agree(kind + ".auth0_answer", put(0x86, got["86"]) + end + b"\x90\0")
    agree(kind + ".auth0_answer has a point", encode(decode(got["86"])), got["86"])
    esk = ec.derive_private_key(int.from_bytes(page[kind + ".vehicle_esk"], "big"), ec.SECP256R1())
    n = esk.public_key().public_numbers()
    agree(kind + ".vehicle_esk belongs to 87", encode((n.x, n.y)), sent["87"])
    page.used(kind + ".vehicle_esk")
    return esk, got["86"], sent["87"][1:33], got["86"][1:33], sent["4c"], raw[2:4]


def agree_exchange(page, kind, keys):
    raw, answer = page[kind + ".exchange"], page[kind + ".exchange_answer"]
    cipher = raw[5:-9]
    t = mac(keys[1], bytes(16), cipher)
    page.agree(kind + ".exchange_icv", ecb(keys[0], bytes(15) + b"\1"))
    page.agree(kind + ".exchange", b"\x84\xC9\0\0" + bytes([len(cipher) + 8]) + cipher + t[:8] + b"\0")
    page.agree(kind + ".exchange_plain", cbc(keys[0], page[kind + ".exchange_icv"], cipher))
    page.agree(kind + ".mcv", t)
    cipher = answer[:-10]
    page.agree(kind + ".exchange_answer_icv", ecb(keys[0], b"\x80" + bytes(14) + b"\1"))
    page.agree(kind + ".exchange_answer", cipher + mac(keys[2], t, cipher)[:8] + b"\x90\0")
    page.agree(kind + ".exchange_answer_plain", cbc(keys[0], page[kind + ".exchange_answer_icv"], cipher))


def agree_keys(page, kind, okm):
    keys = [okm[:16], okm[16:32], okm[32:48]]
    for name, key in zip(("kenc", "kmac", "krmac"), keys):
        page.agree(f"{kind}.{name}", key)
    return keys


def agree_signature(page, name, key, usage, shared, signature):
    vehicle_x, endpoint_x, tid = shared
    signed = (put(0x4D, page["vehicle_id"]) + put(0x86, endpoint_x) + put(0x87, vehicle_x) + put(0x4C, tid) +
              put(0x93, bytes.fromhex(usage)))
    page.agree(name, signed)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), page[key])
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        public.verify(der, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        print(f"DIFFERS the signature by {key}")
        sys.exit(1)
    page.used(key)
    print(f"agree   the signature by {key}")


def agree_auth1(page, keys, shared):
    signature = page["standard.auth1"][7:-1]
    page.agree("standard.auth1", b"\x80\x81\0\0\x42" + put(0x9E, signature) + b"\0")
    agree_signature(page, "standard.signed_by_vehicle", "vehicle_pk", "415D9569", shared, signature)
    cipher = page["standard.auth1_answer"][:-10]
    page.agree("standard.auth1_answer_icv", ecb(keys[0], b"\x80" + bytes(15)))
    page.agree("standard.auth1_answer", cipher + mac(keys[2], bytes(16), cipher)[:8] + b"\x90\0")
    plain = cbc(keys[0], page["standard.auth1_answer_icv"], cipher)
    page.agree("standard.auth1_answer_plain", plain)
    signature = tlvs(plain[:plain.rindex(b"\x80")])["9e"]
    agree_signature(page, "standard.signed_by_device", "device_pk", "4E887B4C", shared, signature)


def check_example(path):
    page = Page(path)
    esk, peer, vehicle_x, endpoint_x, tid, flag = agree_auth0(page, "standard")
    z = esk.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer))
    page.agree("standard.z", z)
    page.agree("standard.kdh", X963KDF(hashes.SHA256(), 32, tid).derive(z))
    for label in ("volatile", "persistent"):
        page.agree("standard.info_" + label, vehicle_x + endpoint_x + tid + b"\x5e" + flag + label.title().encode() +
                   b"\x5c\x02\x01\x00")
    keys = agree_keys(page, "standard", hkdf(page["standard.kdh"], page["standard.info_volatile"], 48))
    page.agree("kpersistent", hkdf(page["standard.kdh"], page["standard.info_persistent"], 32))
    agree_auth1(page, keys, (vehicle_x, endpoint_x, tid))
    agree_exchange(page, "standard", keys)
    _, _, vehicle_x, endpoint_x, tid, flag = agree_auth0(page, "fast")
    page.agree("versions", b"\x01\0")
    page.agree("fast.info", page["vehicle_pk"][1:33] + b"VolatileFast" + page["vehicle_id"] + page["device_pk"][1:33] +
               b"\x5e" + put(0x5C, page["versions"]) + put(0x5C, b"\x01\0") + vehicle_x + tid + flag + endpoint_x)
    okm = hkdf(page["kpersistent"], page["fast.info"], 64)
    page.agree("fast.cryptogram", okm[:16])
    agree_exchange(page, "fast", agree_keys(page, "fast", okm[16:]))
    page.used("vehicle_id")
    page.agree_all_was_compared()


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--example":
        try:
            check_example(sys.argv[2])
        except (KeyError, IndexError, ValueError) as e:
            print(f"DIFFERS a number is missing, or is none: {e}")
            return 1
        return 0
    if len(sys.argv) > 1:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    raw = json.load(sys.stdin)
    text = {"password", "result"}
    record = {k: v.encode() if k in text else bytes.fromhex(v) for k, v in raw.items()}
    agree("the recorded run succeeded", b"OK", record["result"])
    spake2p(record)
    vehicle, device = certificates(record)
    standard(record, vehicle, device)
    fast(record, vehicle, device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
