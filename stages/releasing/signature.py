"""OpenSSF model signing (model_signing 1.x): one signature, a Sigstore bundle, over every file of the folder.

The key is an elliptic-curve one, read from a PEM file; nothing asks the network. The nonce is derived from key and
content (RFC 6979), so that the same key gives the same bytes.
"""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stages.core.errors import InputError, reason
from stages.core.files import canonical_json, write_json
from stages.releasing.manifest import SIGNATURE
from stages.repro.digests import of_bytes

TYPE = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NAMES = ("secp256r1", "secp384r1", "secp521r1")
CURVES = {256: "SHA256", 384: "SHA384", 521: "SHA512"}  # bits of the curve -> its hash in a bundle


def sign(folder: Path, key: Path) -> None:
    """Sign all files of the folder. Raises InputError for a key that cannot be used."""
    private = _private(key)
    raw = canonical_json(_statement(folder)).encode()
    encoded = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE.encode(), len(raw), raw)  # the envelope's PAE
    algorithm = getattr(hashes, CURVES[private.key_size])()
    signature = private.sign(encoded, ec.ECDSA(algorithm, deterministic_signing=True))
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": of_bytes(public)}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": _base64(raw),
            "payloadType": TYPE,
            "signatures": [{"sig": _base64(signature), "keyid": ""}],
        },
    }
    write_json(folder / SIGNATURE, bundle)


def _private(key: Path) -> ec.EllipticCurvePrivateKey:
    if not key.is_file():
        raise InputError(f"--key: {key}: no such file: wanted a PEM file with an elliptic-curve private key")
    try:
        found = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"--key: {key}: wanted an unencrypted PEM private key: {reason(error)}") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name not in NAMES:
        raise InputError(f"--key: {key}: found another kind of key, wanted one of the curves {', '.join(NAMES)}")
    return found


def _statement(folder: Path) -> dict[str, Any]:
    """Return the in-toto statement that model_signing makes of the folder; its subject is not called by the folder."""
    from google.protobuf import json_format
    from model_signing._signing.signing import Payload

    hashed = _hashing(folder).hash(folder)
    statement: dict[str, Any] = json_format.MessageToDict(Payload(hashed).statement.pb)
    statement["subject"][0]["name"] = "release"
    return statement


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def fault(folder: Path, key: Path | None) -> str | None:
    """Return what is wrong with the signature, None when it holds or, without a key, when none can be judged.

    Raises InputError for a public key that cannot be read.
    """
    path = folder / SIGNATURE
    if key is None:
        return None
    if not key.is_file():
        raise InputError(f"--public-key: {key}: no such file: wanted a PEM file with an elliptic-curve public key")
    if not path.is_file():
        return f"{SIGNATURE}: missing: the folder is not signed"
    try:
        config = _library().verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"--public-key: {key}: wanted a PEM key of P-256, P-384 or P-521: {reason(error)}") from None
    try:
        config.set_hashing_config(_hashing(folder)).verify(folder, path)
    except Exception as error:  # of any kind: the bundle is whatever somebody put there
        return f"{SIGNATURE}: does not hold with {key}: {reason(error)}"
    return None


def signed_by(folder: Path) -> str | None:
    """Return the SHA-256 of the public key that the signature names, "" when unreadable, None when there is none."""
    path = folder / SIGNATURE
    if not path.is_file():
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(path.read_bytes())["verificationMaterial"]["publicKey"]["hint"])
    return ""


def _hashing(folder: Path) -> Any:
    return _library().hashing.Config().set_ignored_paths(paths=[folder / SIGNATURE], ignore_git_paths=False)


def _library() -> Any:
    import model_signing

    return model_signing
