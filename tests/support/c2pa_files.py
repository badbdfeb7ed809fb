"""Files with C2PA manifests as the project's own library writes and signs them, with a certificate made for the test."""

from __future__ import annotations

import functools
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_USAGE = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_USAGE = (*_USAGE, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


def signed(data: bytes, mime: str, label: str, entries: dict[str, Any], ingredient: bytes | None = None) -> bytes:
    """``data`` with an assertion ``label`` of ``entries``; made from ``ingredient``, of the same type, where one is given."""
    told: dict[str, Any] = {"claim_generator_info": [{"name": "test", "version": "1"}], "assertions": []}
    if entries:
        told["assertions"] = [{"label": label, "data": {"entries": entries}}]
    builder = c2pa.Builder.from_json(json.dumps(told))
    if ingredient is None:
        builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE)
    else:
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        builder.add_ingredient({"title": "before", "relationship": "parentOf"}, mime, io.BytesIO(ingredient))
    out = io.BytesIO()
    builder.sign(_signer(), mime, io.BytesIO(data), out)
    return out.getvalue()


@functools.cache
def _signer() -> c2pa.Signer:
    above, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = [_certificate("signer", own, above, False), _certificate("authority", above, above, True)]
    pem = b"".join(c.public_bytes(Encoding.PEM) for c in chain)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(alg=b"es256", sign_cert=pem, private_key=key, ta_url=None))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = dict.fromkeys(_USAGE, False) | {"key_cert_sign" if authority else "digital_signature": True}
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(**usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), False)
    )
    if not authority:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True)
    return made.sign(by, hashes.SHA256())


def _named(name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])
