"""Certificates of a device: those that its maker's CA gives, and the members of [H] (docs/ccc.md)."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

import digital_key as dk

CCC = "1.3.6.1.4.1.41577.5."


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
    issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    return certificate.issuer == issuer.subject
