"""Which library is in use, and whose signatures count.

In use is $THECAL_LIBRARY, or `library.toml` in thecal's configuration folder, or the one that thecal ships.
Trusted are the key of that one, and every key in `library-keys/*.pub` of the folder (one line: 64 hexadecimal
digits).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from thecal._io import atomic_write, input_file, paths, private
from thecal._io.file_names import file_name, name_of
from thecal.errors import TherapyError
from thecal.therapy.drug_library import names, signing
from thecal.therapy.drug_library.model import DrugEntry, LibraryFile, read_model
from thecal.therapy.drug_library.signing import LibraryError
from thecal.therapy.drug_library.strictest import strictest
from thecal.therapy.toml_file import parse_toml, read_text

SHIPPED = Path(__file__).with_name("default.toml")
# Signed with a key that was thrown away then (tools/generate/sign_default_library.py): a new library comes
# with a new key here, so what is trusted is the installed thecal itself.
SHIPPED_KEY = "980cfc89a6c192a6e6a26f7ee3d0b7d262079f426684dd8fdb5b94f3c441b90e"
_LONGEST_NAME = 60
_MOST_KEY_BYTES = 10_000
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Library:
    """A library that may be used: signed by a trusted key, and well formed."""

    path: Path
    file: LibraryFile
    digest: bytes
    signer: str

    @property
    def version(self) -> int:
        """It only ever grows."""
        return self.file.version

    @property
    def wire_digest(self) -> bytes:
        """What programs carry of the digest."""
        return self.digest[: signing.WIRE_DIGEST_SIZE]

    @property
    def title(self) -> str:
        """It in one line."""
        return f"{self.file.name}, version {self.version} ({self.wire_digest.hex()})"

    def drugs(self, name: str) -> list[DrugEntry]:
        """The entries of every drug that a name means, however it is written (`library.names`)."""
        entries = self.file.drugs
        return [entries[index] for index in names.meant(name, [drug.name for drug in entries])]

    def drug(self, name: str) -> DrugEntry | None:
        """What holds for a drug of this name: of several the strictest; None: it is not known."""
        found = self.drugs(name)
        return strictest(found) if found else None


def folder() -> Path:
    """thecal's configuration folder."""
    return paths.config("XDG_CONFIG_HOME") / "thecal"


def keys_folder() -> Path:
    """Where the public keys are that the user trusts."""
    return folder() / "library-keys"


def trusted() -> dict[str, str]:
    """Public keys whose libraries are taken, each with a name."""
    keys = {SHIPPED_KEY: "thecal's own"}
    for path in sorted(keys_folder().glob("*.pub")):
        found = input_file.read_text(path, _MOST_KEY_BYTES).split()
        if not found or not _KEY.fullmatch(found[0]):
            raise LibraryError(
                f"{path} holds no public key", "it is 64 hexadecimal digits: mend or remove it"
            )
        keys[found[0]] = name_of(path.stem)
    return keys


def trust(public: str, name: str) -> Path:
    """Take libraries of this key from now on; the file that says so."""
    if not _KEY.fullmatch(public):
        raise LibraryError(f'"{public}" is no public key', "it is the 64 hexadecimal digits of make-key")
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise LibraryError(
            f"the name of a key has 1 to {_LONGEST_NAME} letters, and this has {len(name.strip())}",
            "say whose key it is: --name pharmacy",
        )
    path = keys_folder() / (file_name(name) + ".pub")
    if path.exists() and input_file.read_text(path, _MOST_KEY_BYTES).strip() != public:
        raise LibraryError(
            f"another key is trusted under this name already, in {path}",
            "give this one another name, or remove that file",
        )
    try:
        private.folder(path.parent)
    except OSError as error:
        raise LibraryError(
            f"{path.parent} cannot be made: {error.strerror}", "set XDG_CONFIG_HOME to a folder of your own"
        ) from None
    atomic_write.write(path, public + "\n", LibraryError)
    return path


def in_use() -> Path:
    """The file of the library in use."""
    named = os.environ.get("THECAL_LIBRARY")
    if named:
        return Path(named)
    own = folder() / "library.toml"
    return own if own.exists() else SHIPPED


def current() -> Library:
    """The library in use. LibraryError: it must not be used."""
    path = in_use()
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        raise LibraryError(
            f"there is no drug library {path}", "set THECAL_LIBRARY to one, or unset it for thecal's own"
        ) from None
    return _load_once(path, changed_ns, str(folder()))


@lru_cache(maxsize=4)
def _load_once(path: Path, changed_ns: int, config: str) -> Library:
    return load(path)


def load(path: Path) -> Library:
    """The library in a file. LibraryError: unsigned, altered, of a stranger or malformed."""
    try:
        document = parse_toml(read_text(path), str(path))
        signer = signing.signer_of(document)
        if signer not in trusted():
            raise LibraryError(
                f"the library is signed by a key that is not trusted here, {signer[:16]}...",
                f"if you know whose it is: thecal library trust {signer} --name NAME",
            )
        content = {name: value for name, value in document.items() if name != signing.SIGNATURE}
        return Library(path, read_model(content), signing.digest_of(document), signer)
    except (LibraryError, TherapyError) as error:
        hint = error.hint or "see docs/reference/library.md"
        raise LibraryError(f"the drug library {path} is refused: {error.message}", hint) from None
