#!/usr/bin/env python3
"""Sign the drug library that thecal ships, with a new key that is then forgotten.

Its public half goes into `thecal.therapy.drug_library.store`. Nobody can sign another default library with
the same key: a new one is a new commit, like any other change of the code. Run from the project's root after
a change of default.toml.
"""

import re
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thecal.therapy.drug_library import signing
from thecal.therapy.drug_library.model import read_model
from thecal.therapy.toml_file import parse_toml

_FOLDER = Path("host_tools/thecal/therapy/drug_library")
_KEY = re.compile(r'^SHIPPED_KEY = ".*"$', re.MULTILINE)


def main() -> int:
    """Both files, written anew."""
    path, store = _FOLDER / "default.toml", _FOLDER / "store.py"
    text = path.read_text(encoding="utf-8")
    document = parse_toml(text, str(path))
    read_model({name: value for name, value in document.items() if name != signing.SIGNATURE})
    public, signature = signing.sign(document, Ed25519PrivateKey.generate())
    path.write_text(signing.with_signature(text, public, signature), encoding="utf-8")
    code = store.read_text(encoding="utf-8")
    store.write_text(_KEY.sub(f'SHIPPED_KEY = "{public}"', code), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
