"""Each reader of files, with a good file, in whose place tests put others.

A reader that is added to thecal gets a row in `READERS`. (A flash image is read by the pump's firmware alone:
tests/boards and tests/firmware spoil it there.)
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host.history.samples import log, write
from host.outside.hostile import MORPHINE, HostilePump, honest, plugged
from support.bounded import bounded
from thecal.errors import ThecalError
from thecal.firmware_build import bundle, install
from thecal.history import log_files, queries
from thecal.history.database import Store
from thecal.link import keyring
from thecal.link.client import Client
from thecal.link.transport import Transport
from thecal.report import flow_file, record
from thecal.simulation.scenario.load import load_events
from thecal.therapy.drug_library import signing
from thecal.therapy.drug_library import store as libraries
from thecal.therapy.load import load_therapy

EVENTS = '[[event]]\nat = "1 h"\ndo = "stop"\n\n[[event]]\nat = "2 h"\ndo = "resume"\n'


def _bundle(path: Path) -> Path:
    bundle.make(
        path, {"main.py": b"print()" * 100, "pump.mpy": bytes(5000)}, "1.2.3", Ed25519PrivateKey.generate()
    )
    return path


def _record(path: Path) -> Path:
    with plugged(HostilePump()) as url, Client(Transport(url)) as client:
        record.save(record.of_pump(client, url), path)
    return path


def _flow(path: Path) -> Path:
    path.write_text("minutes,uL\n" + "".join(f"{n},{n * 5}.{n % 10}\n" for n in range(80)))
    return path


def _uf2(path: Path) -> Path:
    path.write_bytes(install.uf2({0x10000000 + 256 * n: bytes(256) for n in range(3)}))
    return path


def _copied(source: Path) -> Callable[[Path], Path]:
    return lambda path: Path(shutil.copyfile(source, path))


def _text(text: str) -> Callable[[Path], Path]:
    def put(path: Path) -> Path:
        path.write_text(text)
        return path

    return put


def _signing_key(path: Path) -> Path:
    signing.new_key(path)
    return path


def _key(path: Path) -> Path:
    path.touch(0o600)
    path.write_text("".join(f"{n:032x}\n" for n in range(3)))
    return path


def _keys(path: Path) -> object:
    """Read as the keyring does: by a name, in a folder of this user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THECAL_KEYS", str(path.parent))
        return keyring.keys("P-1", "clinician")


def _trusted(path: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(libraries, "keys_folder", lambda: path.parent)
        return libraries.trusted()


def _store(path: Path) -> Path:
    with Store.open(path) as store:
        store.add_log("P-1", log_files.read(write(path.with_suffix(".jsonl"), log(1, 20))))
        store.add_pump("P-1", "thecal", "1.0")
    return path


def _stored(path: Path) -> object:
    try:
        with Store.open(path) as store:
            return queries.known_pumps(store), store.last_record("P-1"), queries.tags(store, "P-1")
    finally:
        for beside in path.parent.glob(f"{path.name}-*"):
            beside.unlink()


# name: (how a good file is made, its name, who reads it)
READERS: dict[str, tuple[Callable[[Path], Path], str, Callable[[Path], object]]] = {
    "therapy": (_copied(MORPHINE), "x.toml", load_therapy),
    "library": (_copied(libraries.SHIPPED), "x.toml", libraries.load),
    "events": (_text(EVENTS), "x.toml", load_events),
    "flow": (_flow, "x.csv", lambda path: flow_file.read(path, 10**9).curve()),
    "record": (_record, "x.json", record.of_file),
    "log lines": (lambda path: write(path, log(1, 60)), "x.jsonl", lambda path: list(log_files.read(path))),
    "log document": (
        lambda path: write(path, log(1, 60)),
        "x.json",
        lambda path: (log_files.serial_of(path), list(log_files.read(path))),
    ),
    "log table": (lambda path: write(path, log(1, 60)), "x.csv", lambda path: list(log_files.read(path))),
    "log report": (lambda path: write(path, log(1, 60)), "y.jsonl", record.of_file),
    "bundle": (_bundle, "x.thecal", bundle.read),
    "uf2": (_uf2, "x.uf2", install.uf2_pages),
    "keys": (_key, "P-1.clinician.link", _keys),
    "signing key": (_signing_key, "x.pem", signing.read_key),
    "trusted key": (_text("ab" * 32 + "\n"), "x.pub", _trusted),
    "store": (_store, "x.sqlite", _stored),
}


def good_files(folder: Callable[[], Path]) -> dict[str, Path]:
    """A good file for each reader, which it takes."""
    honest()
    found: dict[str, Path] = {}
    for name, (make, called, read) in READERS.items():
        found[name] = make(folder() / called)
        read(found[name])
    return found


def refusal(name: str, path: Path) -> ThecalError | None:
    """The error of the reader; None: it took the file."""
    try:
        READERS[name][2](path)
    except ThecalError as error:
        return error
    return None


def taken(name: str, path: Path) -> ThecalError | None:
    """The same, within bounds."""
    with bounded(name):
        return refusal(name, path)
