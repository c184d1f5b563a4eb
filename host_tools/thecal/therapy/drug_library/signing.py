"""Who made a library, and that it is as it was made: canonical bytes, their digest, Ed25519 signatures.

The canonical bytes are the document without its [signature] as JSON: keys sorted, no spaces, UTF-8. So
comments and layout may change, and not one figure. The signature covers a fixed prefix and these bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from thecal._io import input_file, private
from thecal.errors import ThecalError

PREFIX = b"thecal drug library v1\0"
WIRE_DIGEST_SIZE = 8
SIGNATURE = "signature"
_MOST_KEY_BYTES = 10_000
_SIGNATURE_PART = re.compile(r"\n*^\[signature\][^\[]*\Z", re.MULTILINE)


class LibraryError(ThecalError):
    """A drug library that cannot be used."""


def canonical(document: Mapping[str, Any]) -> bytes:
    """The bytes that are signed. LibraryError: something in it has more than one way to be written."""
    content = {name: value for name, value in document.items() if name != SIGNATURE}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_no)
        return text.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise LibraryError(
            f"the library holds what cannot be signed: {error}", "write it in quotes"
        ) from None


def _no(value: object) -> object:
    raise TypeError(f"{value}")


def digest_of(document: Mapping[str, Any]) -> bytes:
    """SHA-256 of the canonical bytes: what names a library. Programs carry its first 8 bytes."""
    return hashlib.sha256(canonical(document)).digest()


def sign(document: Mapping[str, Any], key: Ed25519PrivateKey) -> tuple[str, str]:
    """(public key, signature), in hex."""
    return public_hex(key), key.sign(PREFIX + canonical(document)).hex()


def without_signature(text: str) -> str:
    """The file's text without its signature, which stands last."""
    return _SIGNATURE_PART.sub("", text).rstrip("\n") + "\n"


def with_signature(text: str, public: str, signature: str) -> str:
    """The file's text with this signature in place of an older one."""
    bare = without_signature(text).rstrip("\n")
    return f'{bare}\n\n[signature]\nkey = "{public}"\nvalue = "{signature}"\n'


def signer_of(document: Mapping[str, Any]) -> str:
    """The public key, in hex, that signed this document. LibraryError: unsigned, or altered since."""
    part = document.get(SIGNATURE)
    if part is None:
        raise LibraryError("the library is not signed", "sign it: thecal library sign FILE --key KEY")
    try:
        public, signature = bytes.fromhex(part["key"]), bytes.fromhex(part["value"])
        key = Ed25519PublicKey.from_public_bytes(public)
    except (KeyError, TypeError, ValueError):
        raise LibraryError("the library's [signature] is damaged", "sign it again") from None
    try:
        key.verify(signature, PREFIX + canonical(document))
    except InvalidSignature:
        raise LibraryError(
            "the library was altered after it was signed: its signature does not fit",
            "get it anew from its issuer, or check what was changed and sign it again",
        ) from None
    return public.hex()


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half of a key, 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def new_key(path: Path) -> str:
    """A new signing key in a file of its own that nobody else may read; its public half."""
    from cryptography.hazmat.primitives import serialization  # heavy, and only who signs needs it

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = private.opened(path, os.O_WRONLY | os.O_EXCL)
    except FileExistsError:
        raise LibraryError(
            f"{path} exists already", "name another file: keys are never overwritten"
        ) from None
    except OSError as error:
        raise LibraryError(f"{path} cannot be written: {error.strerror}", "name another file") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return public_hex(key)


def read_key(path: Path) -> Ed25519PrivateKey:
    """The signing key in a file."""
    from cryptography.hazmat.primitives import serialization  # heavy, and only who signs needs it

    try:
        key = serialization.load_pem_private_key(input_file.read_bytes(path, _MOST_KEY_BYTES), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise LibraryError(f"{path} holds no signing key", "make one: thecal library make-key FILE") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LibraryError(f"{path} is no Ed25519 key", "make one: thecal library make-key FILE")
    return key
