"""What a phone has of a CCC Digital Key, whatever link its vehicle comes by: certificates, the framework that is paired, the
applet that answers transactions. phone.py lays it on a reader, phone_ble.py carries it by.

It is its own device OEM: with the CA key of the parameters it certifies its instance CA and its key.
"""
import datetime
import secrets

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID, ObjectIdentifier

import digital_key as dk

CCC = "1.3.6.1.4.1.41577.5."


class Refused(Exception):
    def __init__(self, sw, reason):
        super().__init__(reason)
        self.sw = sw


def require(ok, sw, reason):
    if not ok:
        raise Refused(sw, reason)


# ---- certificates ----


def der(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    return bytes([tag]) + (bytes([n]) if n < 0x80 else b"\x81" + bytes([n]) if n < 0x100 else b"\x82" +
                           n.to_bytes(2, "big")) + body


def der_number(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def subject_key(point):
    """SubjectPublicKeyInfo of a point."""
    return dk.public_from(point).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(public, subject, issuer, issuer_key, oid, value, ca, hours=24 * 365):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                           "decipher_only"), False)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
               .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
               .not_valid_after(now + datetime.timedelta(hours=hours)))
    for extension, critical in (
        (x509.UnrecognizedExtension(ObjectIdentifier(CCC + oid), value), True),
        (x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), True),
        (x509.BasicConstraints(ca=ca, path_length=0 if ca else None), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False)):
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def raw(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def endpoint_extension(creation):
    """The members of [H] that say for what the key was made."""
    def octets(tag):
        return der(0x04, creation[tag])
    return der(0x30, der_number(1), octets(0x4D), octets(0x46), octets(0x47), octets(0x5C), subject_key(creation[0x5B]),
               octets(0x4E), der(0xA0, der(0x30, subject_key(creation[0x49]))),
               der(0xA1, der_number(int.from_bytes(creation[0x4A], "big"))),
               der(0xA2, der_number(int.from_bytes(creation[0x4B], "big"))))


def signed_by(certificate, issuer):
    from cryptography.hazmat.primitives.asymmetric import ec
    issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    return certificate.issuer == issuer.subject


# ---- the key ----


class Key:
    """A digital key: what the vehicle wrote at its creation, the key pair, the mailboxes."""

    def __init__(self, data, instance, radio_keys):
        self.creation = dk.members(data[0x7F4A])
        self.vehicle_id, self.slot = self.creation[0x4D], self.creation[0x4E]
        self.vehicle_pk = self.creation[0x5B]
        configuration = dk.members(data[0x7F4E])
        self.shown = {tag: configuration[tag] for tag in (0x4A, 0x4B) if tag in configuration}
        self.private = bytearray(int.from_bytes(self.creation[0x4B], "big"))
        self.confidential = bytearray(int.from_bytes(self.creation[0x4A], "big"))
        self.radio_keys = radio_keys  # Kble_intro and the master of Kble_oob, unless `radio` has others
        self.radio = dk.members(dk.members(configuration.get(0x7F49, b"")).get(0x7F52, b""))
        self.key = dk.new_key()
        name = "E.%s.%s" % (instance.maker, secrets.token_hex(8).upper())
        self.certificate = certify(self.key.public_key(), name_of(name), instance.certificate.subject, instance.key, "4",
                                   endpoint_extension(self.creation), False)
        self.accepted, self.attestation, self.kpersistent, self.transactions = False, None, None, 0

    def shown_parts(self):
        """The parts of the mailboxes that AUTH1 returns."""
        out = b""
        for tag, box in ((0x4A, self.confidential), (0x4B, self.private)):
            if tag in self.shown:
                at, n = int.from_bytes(self.shown[tag][:2], "big"), self.shown[tag][2]
                out += dk.tlv(tag, bytes(box[at:at + n]))
        return out


class Instance:
    """The instance CA, and above it the device OEM's, which the vehicle OEM has cross-certified."""

    def __init__(self, parameters):
        stores = parameters["stores"]

        def value(key):
            found = [v["hex"] for s in stores.values() for k, v in s.items() if k.startswith(key)]
            return bytes.fromhex(found[0]) if found else None

        def certificate(key):
            return x509.load_der_x509_certificate(value(key))
        ca_key = dk.key_from(value("device-oem/key"))
        self.root, self.device_oem = certificate("partner/root"), certificate("cross/")
        self.maker = "example"
        self.key = dk.new_key()
        self.certificate = certify(self.key.public_key(), name_of("I.%s.SPAAKSIM" % self.maker), self.device_oem.subject, ca_key,
                                   "3", bytes.fromhex("3003020101"), True)
        self.password = next((v["text"] for s in stores.values() for k, v in s.items() if k.endswith("/password")), None)


# ---- the framework ----


class Framework:
    def __init__(self, instance, password):
        self.instance, self.password = instance, password.encode()
        self.state, self.key = "IDLE", None
        self.channel, self.rest, self.block = None, b"", b""
        self.radio_keys = b""

    def reset(self):
        """The field went off. Between the two halves of phase 2 the channel survives."""
        self.rest = b""
        if self.state == "CREATING":
            if not self.key:
                self.key = Key(self.data, self.instance, self.radio_keys)
        elif self.state != "PAIRED":
            self.state, self.channel = "IDLE", None

    def select(self):
        if self.state == "CREATING" and self.key:
            self.state = "SECURE2"
        elif self.state not in ("SECURE2", "PAIRED"):
            self.state = "SELECTED"
        ready = b"\x02" if self.password else b"\0"
        return dk.tlv(0x5A, dk.VERSION) + dk.tlv(0x5C, dk.VERSION) + dk.tlv(0xD4, ready)

    def request(self, data):
        require(self.state in ("SELECTED", "REQUESTED", "SECURE1", "SECURE2"), 0x6985, "REQUEST out of sequence")
        require(self.password, 0x9484, "no password")
        self.channel, self.key = None, None
        body = dk.members(data)
        scrypt = dk.members(body.get(0x7F50, b""))
        require({0x5B, 0x5C} <= body.keys() and {0xC0, 0xC1, 0xC2, 0xC3} <= scrypt.keys(), 0x6A88, "a TLV is missing")
        n, r, p = (int.from_bytes(scrypt[tag], "big") for tag in (0xC1, 0xC2, 0xC3))
        require(4096 <= n <= 65536 and n & (n - 1) == 0 and (r, p) == (8, 1), 0x6A88, "scrypt parameters")
        offered = [body[0x5C][i:i + 2] for i in range(0, len(body[0x5C]), 2)]
        require(body[0x5B] == dk.VERSION and dk.VERSION in offered, 0x6A88, "no version in common")
        self.w0, self.w1 = dk.scalars(self.password, scrypt[0xC0], n, r, p)
        self.versions = dk.tlv(0x5B, body[0x5B]), dk.tlv(0x5C, body[0x5C])
        self.x = dk.random_scalar()
        self.share = dk.encode(dk.add(dk.multiply(self.x, dk.G), dk.multiply(self.w0, dk.M)))
        self.state = "REQUESTED"
        return dk.tlv(0x50, self.share)

    def verify(self, data):
        require(self.state == "REQUESTED", 0x6985, "VERIFY out of sequence")
        body = dk.members(data)
        require({0x52, 0x57} <= body.keys(), 0x6A88, "a TLV is missing")
        self.state = "SELECTED"
        try:
            base = dk.subtract(dk.decode(body[0x52]), dk.multiply(self.w0, dk.N))
            spake = dk.Spake(self.share, body[0x52], dk.multiply(self.x, base), dk.multiply(self.w1, base), self.w0,
                             *self.versions)
        except (ValueError, TypeError):
            raise Refused(0x6A88, "invalid point") from None
        require(secrets.compare_digest(spake.m1, body[0x57]), 0x6A88, "wrong evidence: another password?")
        self.channel, self.radio_keys = dk.Channel(spake.system, True), spake.system[64:96]
        self.block, self.data, self.state = b"", None, "SECURE1"
        return dk.tlv(0x58, spake.m2)

    def write(self, header, data):
        require(self.state in ("SECURE1", "SECURE2"), 0x6985, "WRITE DATA out of sequence")
        require(header[2] in (0, 0x80) and header[3] == 0, 0x6B00, "P1, P2")
        self.block += self.open(header, data)
        if header[2] == 0x80:
            rows, self.block = dk.members(self.block), b""
            require(rows.get(0x5F5F) == b"", 0x6A80, "no end of data")
            if self.state == "SECURE1":
                self.data, self.state = rows, "WRITTEN"
            else:
                self.key.attestation = rows.get(0x5F5A)
        return self.channel.answer(b"", b"\x90\x00")

    def open(self, header, data):
        require(self.channel, 0x6985, "no secure channel")
        try:
            return self.channel.open_command(header, data)
        except ValueError as e:
            raise Refused(0x6982, str(e)) from None

    def get(self, header, data):
        require(self.state == "SECURE2" and not self.rest, 0x6985, "GET DATA out of sequence")
        wanted = {b"\x7F\x20": self.instance.device_oem, b"\x7F\x22": self.instance.certificate, b"\x7F\x24": self.key.certificate}
        tag = self.open(header, data)
        require(tag in wanted, 0x6A88, "unknown tag")
        self.rest = raw(wanted[tag])
        return self.piece()

    def piece(self):
        piece, self.rest = self.rest[:dk.PIECE], self.rest[dk.PIECE:]
        left = len(self.rest)
        sw = b"\x61" + bytes([left if left <= dk.PIECE - 1 else 0]) if left else b"\x90\x00"
        return self.channel.answer(piece, sw), sw

    def get_response(self):
        require(self.rest, 0x6985, "nothing is left")
        self.channel.step()
        return self.piece()

    def check(self):
        """OP CONTROL FLOW 10/01: what was written makes a key for the vehicle of [K]."""
        require(self.state == "WRITTEN", 0x6A80, "10/01 before the data")
        try:
            creation = dk.members(self.data[0x7F4A])
            vehicle = x509.load_der_x509_certificate(self.data[0x7F4B])
            above = self.data.get(0x7F4C)
            above = x509.load_der_x509_certificate(above) if above else self.instance.root
            chained = signed_by(vehicle, above) and (above == self.instance.root or signed_by(above, self.instance.root))
            name = vehicle.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value.split(".")
            require(chained and dk.point_of(vehicle.public_key()) == creation[0x5B], 0x6A80, "[K] is not trusted")
            require(len(name) == 5 and bytes.fromhex(name[4]) == creation[0x4D], 0x6A80, "[K] is another vehicle's")
            require({0x46, 0x47, 0x49, 0x4A, 0x4B, 0x4E, 0x5C} <= creation.keys() and
                    {0x7F4D, 0x7F4E} <= self.data.keys(), 0x6A80, "a TLV is missing")
        except (InvalidSignature, KeyError, ValueError):
            raise Refused(0x6A80, "the chain of [K]") from None
        self.state = "CREATING"

    def flow(self, p1, p2):
        if (p1, p2) == (0x10, 0x01):
            self.check()
        elif (p1, p2) == (0x10, 0x02) or p1 == 0x11:
            require(self.key, 0x6985, "there is no key")
            self.key.accepted, self.state, self.channel, self.password = True, "PAIRED", None, b""
        elif p1 == 0x12:
            print("phone: the vehicle aborts the pairing: 12/%02X" % p2)
            self.state, self.channel = "IDLE", None
            self.key = self.key if self.key and self.key.accepted else None
        else:
            raise Refused(0x6B00, "unknown OP CONTROL FLOW")
        return b""


# ---- the applet ----


class Applet:
    def __init__(self, framework):
        self.framework, self.transaction, self.channel = framework, None, None
        self.interface, self.done = dk.CONTACTLESS, ""

    def usable(self):
        key = self.framework.key
        return key if key and key.accepted else None

    def reset(self):
        self.transaction = self.channel = self.staged = None

    def select(self):
        require(self.usable(), 0x6A82, "there is no key")
        self.reset()
        return dk.tlv(0x5C, dk.VERSION)

    def auth0(self, header, data):
        body = dk.members(data)
        require({0x5C, 0x87, 0x4C, 0x4D} <= body.keys() and body[0x5C] == dk.VERSION, 0x6A80, "AUTH0")
        dk.decode(body[0x87])
        self.ephemeral, self.vehicle_epk = dk.new_key(), body[0x87]
        self.transaction = dk.Transaction(body[0x4D], body[0x87], dk.point_of(self.ephemeral), body[0x4C], header[2:4],
                                          self.interface)
        return dk.tlv(0x86, dk.point_of(self.ephemeral)) + (dk.tlv(0x9D, self.fast()) if header[2] & 1 else b"")

    def fast(self):
        """The cryptogram; a random one for a vehicle that has no key here, or none for fast transactions yet."""
        key, t = self.usable(), self.transaction
        if t.vehicle_id != key.vehicle_id or not key.kpersistent:
            return secrets.token_bytes(16)
        cryptogram, keys = t.fast(key.kpersistent, key.vehicle_pk, dk.point_of(key.key), dk.VERSION)
        if int.from_bytes(key.creation[0x46], "big") & 0x80:
            self.open(keys, 1)
        return cryptogram

    def open(self, keys, counter):
        key = self.usable()
        self.channel = dk.Channel(keys, False, counter)
        self.staged = bytearray(key.private), bytearray(key.confidential)

    def auth1(self, data):
        require(self.transaction, 0x6985, "AUTH1 before AUTH0")
        key, t, self.transaction = self.usable(), self.transaction, None
        try:
            require(t.vehicle_id == key.vehicle_id, 0x6A80, "another vehicle's key")
            dk.verify(key.vehicle_pk, dk.members(data)[0x9E], t.signed(dk.BY_VEHICLE))
        except (InvalidSignature, KeyError):
            raise Refused(0x6A80, "the vehicle's signature") from None
        keys, key.kpersistent = t.keys(self.ephemeral, self.vehicle_epk)
        self.open(keys, 0)
        plain = dk.tlv(0x4E, key.slot) + dk.tlv(0x9E, dk.sign(key.key, t.signed(dk.BY_DEVICE))) + key.shown_parts()
        return self.channel.answer(plain, b"\x90\x00")

    def operate(self, tag, value, boxes):
        """One operation of EXCHANGE on copies of the mailboxes; what it reads."""
        require(tag in (0x87, 0x88, 0x8A, 0x8B, 0x95, 0x96, 0x8E), 0x6A80, "unknown operation")
        if tag == 0x8E:
            print("phone: the vehicle notifies: %s" % value.hex())
            return b""
        box, at = boxes[tag in (0x88, 0x8B, 0x96)], int.from_bytes(value[:2], "big")
        if tag in (0x8A, 0x8B):
            new = value[2:]
        else:
            n = value[2] if len(value) == (3 if tag in (0x87, 0x88) else 4) else int.from_bytes(value[2:4], "big")
            new = bytes(box[at:at + n]) if tag in (0x87, 0x88) else value[-1:] * n
        require(len(value) >= 3 and at + len(new) <= len(box), 0x6A80, "outside of the mailbox")
        if tag in (0x87, 0x88):
            require(at + n <= len(box), 0x6A80, "outside of the mailbox")
            return new
        box[at:at + len(new)] = new
        return b""

    def exchange(self, header, data):
        require(self.channel, 0x6985, "no secure channel")
        try:
            plain = self.channel.open_command(header, data)
        except ValueError as e:
            raise Refused(0x6982, str(e)) from None
        require(plain and plain[0] in (0, 1), 0x6A80, "EXCHANGE")
        boxes = bytearray(self.staged[0]), bytearray(self.staged[1])
        out = b"".join(self.operate(tag, value, boxes) for tag, value in dk.parse(plain[1:]))
        require(len(out) <= dk.PIECE, 0x6A80, "too much is read")
        self.staged = boxes
        if plain[0] == 0:
            key = self.usable()
            key.private, key.confidential = bytearray(boxes[0]), bytearray(boxes[1])
        return self.channel.answer(out, b"\x90\x00")

    def flow(self, p1, p2):
        if self.usable() and p1 == 1:
            self.usable().transactions += 1
        kind = self.done = "fast" if self.transaction and self.transaction.flag[0] & 1 else "standard"
        print("phone: %s transaction %s (%02X/%02X)" % (kind, "done" if p1 == 1 else "failed", p1, p2))
        self.reset()
        return b""


# ---- the phone ----


class Phone:
    def __init__(self, instance, password):
        self.framework = Framework(instance, password)
        self.applet = Applet(self.framework)
        self.selected = None

    def reset(self):
        self.selected = None
        self.framework.reset()
        self.applet.reset()

    def select(self, aid):
        if aid == dk.FRAMEWORK:
            self.selected = self.framework
        elif aid == dk.APPLET:
            busy = self.framework.state in ("REQUESTED", "SECURE1", "WRITTEN", "CREATING", "SECURE2")
            require(not busy and self.applet.usable(), 0x6A82, "no applet now")
            self.selected = self.applet
        else:
            raise Refused(0x6A82, "unknown application")
        return self.selected.select()

    def command(self, apdu):
        """(data, SW) of an answer."""
        require(len(apdu) >= 4, 0x6700, "length")
        header = apdu[:4]
        n = apdu[4] if len(apdu) > 5 else 0
        require(len(apdu) in (4, 5, 5 + n, 6 + n), 0x6700, "length")
        data, key = apdu[5:5 + n], (header[0], header[1])
        if key == (0x00, 0xA4):
            return self.select(data)
        require(self.selected, 0x6985, "nothing is selected")
        f, a = self.framework, self.applet
        table = {(0x80, 0x30): lambda: f.request(data), (0x80, 0x32): lambda: f.verify(data),
                 (0x84, 0xD4): lambda: f.write(header, data), (0x84, 0xCA): lambda: f.get(header, data),
                 (0x84, 0xC0): f.get_response, (0x80, 0x3C): lambda: f.flow(header[2], header[3])}
        if self.selected is a:
            table = {(0x80, 0x80): lambda: a.auth0(header, data), (0x80, 0x81): lambda: a.auth1(data),
                     (0x84, 0xC9): lambda: a.exchange(header, data), (0x80, 0x3C): lambda: a.flow(header[2], header[3])}
        require(key in table, 0x6D00, "unknown command %02X %02X" % key)
        return table[key]()

    def answer(self, apdu):
        try:
            out = self.command(apdu)
            return out[0] + out[1] if isinstance(out, tuple) else out + b"\x90\x00"
        except (Refused, ValueError, KeyError, IndexError) as e:
            print("phone: refuses %s: %s" % (apdu[:4].hex(), e))
            self.framework.channel = self.applet.channel = None
            if self.framework.state not in ("PAIRED", "CREATING"):
                self.framework.state = "SELECTED"
            return getattr(e, "sw", 0x6A80).to_bytes(2, "big")
