"""OpenSSF model signing (model_signing 1.x): one signature, a Sigstore bundle, over every file of the folder.

The key is an elliptic-curve one, read from a PEM file; nothing asks the network. The nonce is derived from key and
content (RFC 6979), so that the same key gives the same bytes.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from stages.core.errors import InputError, reason
from stages.releasing.manifest import SIGNATURE


class _Deterministic:
    """A private key that signs with the nonce of RFC 6979."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def public_key(self) -> Any:
        return self._key.public_key()

    def sign(self, data: bytes, algorithm: Any) -> Any:
        from cryptography.hazmat.primitives.asymmetric import ec

        return self._key.sign(data, ec.ECDSA(algorithm.algorithm, deterministic_signing=True))


def sign(folder: Path, key: Path) -> None:
    """Sign all files of the folder. Raises InputError for a key that cannot be used."""
    import model_signing

    if not key.is_file():
        raise InputError(f"--key: {key}: no such file: wanted a PEM file with an elliptic-curve private key")
    try:
        config = model_signing.signing.Config().use_elliptic_key_signer(private_key=key)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"--key: {key}: wanted an unencrypted PEM key of P-256, P-384 or P-521: {reason(error)}") from None
    signer: Any = config._signer
    signer._private_key = _Deterministic(signer._private_key)
    config.set_hashing_config(_hashing(folder)).sign(folder, folder / SIGNATURE)


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
    import model_signing

    try:
        config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key)
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
    import model_signing

    return model_signing.hashing.Config().set_ignored_paths(paths=[folder / SIGNATURE], ignore_git_paths=False)
