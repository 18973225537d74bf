"""What both ends of a CCC Digital Key need: TLVs, SPAKE2+, the secure channels, a transaction's keys, and the frames of
the NFC link. Small on purpose, and slow: curve arithmetic here is not constant in time, so use it for tests alone.

Needs python3-cryptography. docs/ccc.md has the protocol, docs/air.md the link.
"""
import hashlib
import hmac
import secrets
import socket

from cryptography.hazmat.primitives import cmac, hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FRAMEWORK = bytes.fromhex("A000000809434343444B467631")
APPLET = bytes.fromhex("A000000809434343444B417631")
VERSION = b"\x01\x00"
PIECE = 239  # bytes of plaintext in one APDU of either channel

# ---- TLV ----


def tlv(tag, value):
    head = tag.to_bytes(2 if tag > 0xFF else 1, "big")
    n = len(value)
    length = bytes([n]) if n < 0x80 else b"\x81" + bytes([n]) if n < 0x100 else b"\x82" + n.to_bytes(2, "big")
    return head + length + value


def parse(data):
    """[(tag, value)]; ValueError for what is no row of TLVs."""
    found, at = [], 0
    try:
        while at < len(data):
            tag, at = data[at], at + 1
            if tag & 0x1F == 0x1F:
                tag, at = tag << 8 | data[at], at + 1
            n, at = data[at], at + 1
            if n in (0x81, 0x82):
                size = n - 0x80
                n, at = int.from_bytes(data[at:at + size], "big"), at + size
            elif n > 0x82 or n == 0x80:
                raise ValueError("length")
            if at + n > len(data):
                raise ValueError("cut")
            found.append((tag, data[at:at + n]))
            at += n
    except IndexError:
        raise ValueError("cut") from None
    return found


def members(data):
    found = parse(data)
    if len({tag for tag, _ in found}) != len(found):
        raise ValueError("twice")
    return dict(found)


# ---- the curve P-256 ----

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
M = (0x886E2F97ACE46E55BA9DD7242579F2993B64E16EF3DCAB95AFD497333D8FA12F,
     0x5FF355163E43CE224E0B0E65FF02AC8E5C7BE09419C785E0CA547D55A12E2D20)
N = (0xD8BBD6C639C62937B04D997F38C3770719C629D7014D49A24B4F98BAA1292B49,
     0x07D60AA6BFADE45008A636337F5168C64D9BD36034808CD564490B1E656EDBE7)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k, point):
    total = None
    while k:
        if k & 1:
            total = add(total, point)
        point, k = add(point, point), k >> 1
    return total


def subtract(a, b):
    return add(a, (b[0], -b[1] % P))


def encode(point):
    if point is None:
        raise ValueError("infinity")
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decode(data):
    if len(data) != 65 or data[0] != 4:
        raise ValueError("point")
    x, y = int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big")
    if x >= P or y >= P or (y * y - x * x * x + 3 * x - B) % P:
        raise ValueError("not on the curve")
    return x, y


# ---- hashes, MACs, keys ----


def aes_cmac(key, data):
    c = cmac.CMAC(algorithms.AES(key))
    c.update(data)
    return c.finalize()


def hkdf(key, info, length):
    prk, out, block = hmac.new(bytes(32), key, hashlib.sha256).digest(), b"", b""
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:length]


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_from(scalar):
    return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())


def point_of(key):
    n = (key.public_key() if hasattr(key, "public_key") else key).public_numbers()
    return encode((n.x, n.y))


def public_from(point):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def sign(key, data):
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(point, signature, data):
    """InvalidSignature when it is none."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    public_from(point).verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


# ---- SPAKE2+ ----


def scalars(password, salt, n, r, p):
    z = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=80, maxmem=256 << 20)
    return [int.from_bytes(half, "big") % (ORDER - 1) + 1 for half in (z[:40], z[40:])]


def random_scalar():
    return secrets.randbelow(ORDER - 1) + 1


class Spake:
    """The secrets of one exchange: `x`, `y` are the encoded shares of device and vehicle."""

    def __init__(self, x, y, z, v, w0, tlv_5b, tlv_5c):
        parts = [x, y, encode(z), encode(v), w0.to_bytes(32, "big")]
        k = hashlib.sha256(b"".join(len(p).to_bytes(8, "little") + p for p in parts)).digest()
        evidence = hkdf(k[:16], b"ConfirmationKeys" + tlv_5b + tlv_5c, 32)
        self.m1 = aes_cmac(evidence[:16], x)
        self.m2 = aes_cmac(evidence[16:], y)
        self.system = hkdf(k[16:], b"SystemKeys", 96)


# ---- secure channels ----


def pad(data):
    return data + b"\x80" + bytes(-(len(data) + 1) % 16) if data else b""


def unpad(data):
    if not data:
        return b""
    bare = data.rstrip(b"\0")
    if not bare.endswith(b"\x80"):
        raise ValueError("padding")
    return bare[:-1]


class Channel:
    """Of the framework: header and status word are part of the MACs, counting begins at 1. Of the applet: they are not, and
    it begins at 0 with the answer to AUTH1, or at 1 with EXCHANGE after a fast transaction."""

    def __init__(self, keys, framework, counter=None):
        self.enc, self.mac, self.rmac = keys[:16], keys[16:32], keys[32:48]
        self.framework = framework
        self.counter, self.mcv = int(framework if counter is None else counter), bytes(16)

    def _cbc(self, answer):
        block = (b"\x80" if answer else b"\0") + bytes(14) + bytes([self.counter])
        ecb = Cipher(algorithms.AES(self.enc), modes.ECB()).encryptor()
        return Cipher(algorithms.AES(self.enc), modes.CBC(ecb.update(block) + ecb.finalize()))

    def _run(self, cryptor, data):
        return cryptor.update(data) + cryptor.finalize()

    def _command_mac(self, header, body):
        head = header + bytes([len(body) + 8]) if self.framework else b""
        return aes_cmac(self.mac, self.mcv + head + body)

    def _answer_mac(self, body, sw):
        return aes_cmac(self.rmac, self.mcv + body + (sw if self.framework else b""))[:8]

    # the vehicle's side
    def command(self, header, data):
        body = self._run(self._cbc(False).encryptor(), pad(data))
        self.mcv = self._command_mac(header, body)
        body += self.mcv[:8]
        return header + bytes([len(body)]) + body + b"\0"

    def open_answer(self, body, sw):
        if len(body) < 8 or not hmac.compare_digest(self._answer_mac(body[:-8], sw), body[-8:]):
            raise ValueError("R-MAC")
        data = unpad(self._run(self._cbc(True).decryptor(), body[:-8]))
        self.counter += 1
        return data

    # the device's side
    def open_command(self, header, body):
        mac = self._command_mac(header, body[:-8])
        if len(body) < 8 or not hmac.compare_digest(mac[:8], body[-8:]):
            raise ValueError("C-MAC")
        self.mcv = mac
        return unpad(self._run(self._cbc(False).decryptor(), body[:-8]))

    def answer(self, data, sw):
        body = self._run(self._cbc(True).encryptor(), pad(data))
        body += self._answer_mac(body, sw)
        self.counter += 1
        return body

    def step(self):
        """GET RESPONSE has neither data nor MAC; both ends go on."""
        self.mcv = aes_cmac(self.mac, self.mcv)


# ---- a standard transaction ----

CONTACTLESS, BLUETOOTH = b"\x5E", b"\xC3"
BY_VEHICLE, BY_DEVICE = bytes.fromhex("415D9569"), bytes.fromhex("4E887B4C")


class Transaction:
    def __init__(self, vehicle_id, vehicle_epk, endpoint_epk, tid, flag, interface=CONTACTLESS):
        self.vehicle_id, self.tid, self.flag, self.interface = vehicle_id, tid, flag, interface
        self.vehicle_x, self.endpoint_x = vehicle_epk[1:33], endpoint_epk[1:33]

    def signed(self, usage):
        return (tlv(0x4D, self.vehicle_id) + tlv(0x86, self.endpoint_x) + tlv(0x87, self.vehicle_x) +
                tlv(0x4C, self.tid) + tlv(0x93, usage))

    def keys(self, own, peer_point):
        """48 bytes for the channel, 32 for later fast transactions."""
        z = own.exchange(ec.ECDH(), public_from(peer_point))
        kdh = hashlib.sha256(z + b"\0\0\0\1" + self.tid).digest()
        info = self.vehicle_x + self.endpoint_x + self.tid + self.interface + self.flag
        end = tlv(0x5C, VERSION)
        return hkdf(kdh, info + b"Volatile" + end, 48), hkdf(kdh, info + b"Persistent" + end, 32)


    def fast(self, kpersistent, vehicle_pk, device_pk, versions):
        """Cryptogram (16), and 48 bytes for the channel. `versions`: all that the applet has offered at SELECT."""
        info = (vehicle_pk[1:33] + b"VolatileFast" + self.vehicle_id + device_pk[1:33] + self.interface + tlv(0x5C, versions) +
                tlv(0x5C, VERSION) + self.vehicle_x + self.tid + self.flag + self.endpoint_x)
        out = hkdf(kpersistent, info, 64)
        return out[:16], out[16:]


# ---- the link ----

APDU, FIELD_ON, FIELD_OFF, TAG_LOST, GREETING = range(5)


def options(endpoint):
    """card:;wcp=/path/of/socket -> {"wcp": "/path/of/socket"}"""
    return dict(part.split("=", 1) for part in endpoint.split(":", 1)[1].split(";") if "=" in part)


class Frames:
    def __init__(self, stream):
        self.stream = stream

    def say(self, kind, body=b""):
        self.stream.sendall(bytes([kind]) + len(body).to_bytes(2, "big") + body)

    def _read(self, n):
        data = b""
        while len(data) < n:
            more = self.stream.recv(n - len(data))
            if not more:
                raise ConnectionError("the other end has gone")
            data += more
        return data

    def hear(self):
        head = self._read(3)
        return head[0], self._read(int.from_bytes(head[1:], "big"))


def unix_socket(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(path)
    return s
