"""Signed bundles of firmware (SEC-13): one file with all that goes onto a chip, who made it, and its version.

A zip file. `bundle.json` names version and digest of every file and bears an Ed25519 signature over its
canonical bytes (those of `thecal.therapy.drug_library.signing`, behind a prefix of their own, so that no
library's signature fits). A board remembers who signed what it runs, and of which version: from then on it
is given nothing else (`admit`). That is kept by `thecal flash`, not by the chip: who holds the board can
write to it without thecal (docs/reference/security.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from thecal._io import atomic_write, input_file
from thecal.errors import FileError, FlashError
from thecal.therapy.drug_library.signing import SIGNATURE, canonical, public_hex

PREFIX = b"thecal firmware bundle v1\0"
ABOUT = "bundle.json"
_SCHEMA = 1
_FILES = "files/"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same bundle from the same firmware, whenever it is made
_MOST_BYTES = 1_400_000
_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose signature fits. `signer`: the public key, 64 hexadecimal digits."""

    signer: str
    firmware: str
    files: Mapping[str, bytes]


def make(target: Path, files: Mapping[str, bytes], firmware: str, key: Ed25519PrivateKey) -> Bundle:
    """Write a bundle. FlashError when it cannot be written."""
    _order(firmware)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    document: dict[str, Any] = {"schema": _SCHEMA, "firmware": firmware, "files": digests}
    signature = key.sign(PREFIX + canonical(document)).hex()
    document[SIGNATURE] = {"key": public_hex(key), "value": signature}
    contents = {ABOUT: json.dumps(document, indent=1).encode()}
    contents |= {_FILES + name: data for name, data in sorted(files.items())}
    try:
        with (
            atomic_write.whole(target) as draft,
            zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name, data in contents.items():
                archive.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise FlashError(f"{target} cannot be written: {error.strerror}", "name another file") from error
    return Bundle(public_hex(key), firmware, dict(files))


def read(path: Path) -> Bundle:
    """A bundle, its signature and every digest checked. FlashError says what is wrong with it."""
    try:
        data = input_file.read_bytes(path, _MOST_BYTES)
        contents = _unpacked(data)
        document = input_file.json_of(contents.pop(ABOUT).decode())
        signer = _signer_of(document)
        firmware, digests = str(document["firmware"]), dict(document["files"])
        if document["schema"] != _SCHEMA:
            raise _not_ours(path)
    except FileError as error:
        raise FlashError(error.message, "name a bundle") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:
        raise _not_ours(path) from error
    _order(firmware)
    files = {name.removeprefix(_FILES): data for name, data in contents.items()}
    if {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} != digests:
        raise FlashError(
            f"{path} holds files that its signature does not cover", "get the bundle anew from its maker"
        )
    return Bundle(signer, firmware, files)


def _unpacked(data: bytes) -> dict[str, bytes]:
    """What the archive holds, unpacked no further than a bundle can be. ValueError: it is no bundle."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        packed = all(entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries)
        if not packed or sum(entry.file_size for entry in entries) > _MOST_BYTES:
            raise ValueError("no bundle")
        return {entry.filename: _member(archive, entry) for entry in entries}


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """One file of it, and no more than it says that it is: `ZipFile.read` would unpack all that comes."""
    with archive.open(entry) as file:
        return file.read(entry.file_size + 1)


def _signer_of(document: Mapping[str, Any]) -> str:
    """The key whose signature fits. KeyError, TypeError, ValueError: there is none."""
    public = bytes.fromhex(document[SIGNATURE]["key"])
    value = bytes.fromhex(document[SIGNATURE]["value"])
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, PREFIX + canonical(document))
    except InvalidSignature:
        raise FlashError("the bundle was altered after it was signed", "get it anew from its maker") from None
    return public.hex()


def _not_ours(path: Path) -> FlashError:
    return FlashError(f"{path} is no signed bundle of firmware", "make one: thecal flash --make-bundle FILE")


def _order(firmware: str) -> tuple[int, ...]:
    """A version as numbers. FlashError: it is none."""
    found = _VERSION.fullmatch(firmware)
    if found is None:
        raise FlashError(f'"{firmware}" is no version of a firmware', "it looks like 1.2.3")
    return tuple(map(int, found.groups()))


def mark(bundle: Bundle) -> bytes:
    """What the board keeps of it: signer and version."""
    return f"{bundle.signer} {bundle.firmware}".encode()


def admit(held: str, bundle: Bundle | None, vouched: str) -> None:
    """May this go onto a board that keeps the mark `held`, or none? FlashError: no.

    `bundle` None: unsigned firmware. `vouched`: the signer that the user named; needed once, on a board
    without a mark."""
    signer, _, version = held.partition(" ")
    if bundle is None:
        if held:
            raise FlashError(
                f"the board takes nothing but bundles signed by {signer[:16]}...",
                "give one with --bundle FILE",
            )
        return
    if not held:
        if vouched != bundle.signer:
            raise FlashError(
                f"nobody vouches for the bundle's signer, {bundle.signer}",
                "if you know whose key that is, name it: --signer KEY",
            )
        return
    if bundle.signer != signer:
        raise FlashError(
            f"the bundle is signed by {bundle.signer[:16]}..., the board's firmware by {signer[:16]}...",
            "give a bundle of the same signer",
        )
    if _order(bundle.firmware) < _order(version):
        raise FlashError(
            f"the bundle holds version {bundle.firmware}, the board has had {version}",
            "an older firmware is not put on: give that version or a newer one",
        )
