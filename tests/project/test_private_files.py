"""What thecal writes is for nobody else's eyes (SEC-22): every place that writes is known here."""

import ast
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from matplotlib.figure import Figure

from thecal._io import atomic_write
from thecal.emulator import claims
from thecal.eventlog import log_keys
from thecal.firmware_build import bundle
from thecal.history import export, fhir
from thecal.history.database import Store
from thecal.link import keyring
from thecal.report import record as records
from thecal.simulation import plots as plots_module
from thecal.simulation import simulate
from thecal.therapy.drug_library import signing

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "host_tools" / "thecal"
WRITERS = {"write_text", "write_bytes", "mkdir", "touch", "makedirs", "symlink_to", "copyfile", "copytree"}
# Writes that go round `_io`, and why they may: "file: what it calls" -> why.
ROUND = {
    "campaigns/cut_pump.py: write_bytes": "a temporary folder",
    "campaigns/cut_pump.py: write_text": "a temporary folder",
    "campaigns/multi_boot.py: open": "a temporary folder",
    "cli/files.py: copyfile": "the examples that thecal ships",
    "cli/files.py: mkdir": "the examples that thecal ships",
    "emulator/claims.py: symlink_to": "the name of a port",
    "emulator/emulator.py: open": "a temporary folder",
    "emulator/emulator.py: write_text": "a temporary folder",
    "emulator/flash_file.py: open": "into a flash file that is there",
    "firmware_build/cache.py: mkdir": "compiled firmware",
    "firmware_build/cache.py: NamedTemporaryFile": "compiled firmware",
    "firmware_build/chip.py: write_text": "a temporary folder",
    "firmware_build/compiled.py: mkdir": "compiled firmware",
    "emulator/bench_server.py: mkdir": "the folder of the bench's socket, 0700",
    "pytest_plugin.py: mkdir": "a test's own folder, 0700",
    "firmware_build/compiled.py: write_bytes": "compiled firmware",
    "firmware_build/install.py: open": "into an image in memory",
    "firmware_build/install.py: makedirs": "into an image in memory",
    # into a draft of `atomic_write.whole`, or with a descriptor of `private`
    "firmware_build/bundle.py: ZipFile": "a draft",
    "firmware_build/install.py: fdopen": "a descriptor of `private`",
    "web/server.py: ZipFile": "into memory",
    "history/export.py: open": "a draft",
    "history/fhir.py: write_text": "a draft",
    "link/key_files.py: write_text": "a draft",
    "therapy/drug_library/signing.py: fdopen": "a descriptor of `private`",
}


def mode_of(call: ast.Call) -> str:
    """The mode in which `open` opens; "" when none is said."""
    given = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    texts = [part.value for part in given if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return next((text for text in texts if set(text) <= set("rwxab+t") and text), "")


def writes(call: ast.Call) -> str:
    """What the call writes with; "": it does not."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    if name in WRITERS and not owner.startswith("console"):
        return name
    if name == "open" and owner == "os":
        return "os.open" if "O_CREAT" in ast.unparse(call) else ""
    if name in ("open", "ZipFile", "fdopen", "NamedTemporaryFile"):
        return name if set(mode_of(call)) & set("wxa+") else ""
    return ""


def writers() -> set[str]:
    """Every one outside of `_io`."""
    found: set[str] = set()
    for file in HOST.rglob("*.py"):
        place = file.relative_to(HOST).as_posix()
        if not place.startswith("_io/"):
            calls = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
            found |= {f"{place}: {how}" for call in calls if (how := writes(call))}
    return found


@pytest.mark.req("SEC-22", part="every place of the host tools that writes is known")
def test_every_writer_is_known():
    assert writers() == set(ROUND)


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def store(place: Path) -> None:
    with Store.open(place / "new" / "store.sqlite") as opened:
        opened.add_pump("P-1")
        assert {file.name for file in (place / "new").iterdir()} > {"store.sqlite"}  # its journals, too
        assert_private(place)
        export.write_csv(opened, place / "csv", None)
        fhir.write(opened, place / "fhir" / "P-1.json", "P-1", UTC)


def keys(place: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THECAL_KEYS", str(place / "a" / "keys"))
        keyring.store("P-1", "clinician", bytes(16))
        log_keys.store("P-1", bytes(16))
    signing.new_key(place / "library.pem")


def record(place: Path) -> None:
    records.save(records.Record("nowhere", []), place / "record.json")


def bundle_of_firmware(place: Path) -> None:
    bundle.make(place / "bundle", {"main.py": b""}, "1.0.0", Ed25519PrivateKey.generate())


def flash(place: Path) -> None:
    descriptor = claims.claim_flash(place / "flash")
    os.write(descriptor, b"-")
    claims.give_back_flash(place / "flash", descriptor)


def plots(place: Path) -> None:
    figure = Figure()
    plots_module._save(figure, place / "build" / "run.png", 20)  # pyright: ignore[reportPrivateUsage]


def trace(place: Path) -> None:
    simulate._try_writing(place / "trace", "trace")  # pyright: ignore[reportPrivateUsage]


def assert_private(place: Path) -> None:
    found = list(place.rglob("*"))
    assert found
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.req("SEC-22", part="files and folders as they are made, under no umask")
@pytest.mark.parametrize("write", [store, keys, record, bundle_of_firmware, flash, plots, trace])
def test_what_is_written_is_nobody_elses(write: Callable[[Path], None], tmp_path: Path, no_umask: None):
    place = tmp_path / "place"
    place.mkdir()
    write(place)
    assert_private(place)


@pytest.mark.req("SEC-22", part="files that 0.1.0 made")
@pytest.mark.parametrize("name", ["flash", "store.sqlite", "trace", "record.json"])
def test_what_others_could_read_is_mended(name: str, tmp_path: Path, no_umask: None):
    path = tmp_path / name
    path.touch(0o644)
    if name == "flash":
        os.close(claims.claim_flash(path))
    elif name == "trace":
        trace(tmp_path)
    elif name == "record.json":
        record(tmp_path)
    else:
        Store.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_passed_on_is_as_readable_as_it_was(tmp_path: Path):
    path = tmp_path / "library.toml"
    before = os.umask(0o027)
    try:
        atomic_write.write(path, "-", shared=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o664)
        atomic_write.write(path, "-", shared=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o664
    finally:
        os.umask(before)


def test_a_draft_that_is_not_finished_leaves_what_was_there(tmp_path: Path):
    place = tmp_path / "place"
    place.mkdir()
    path = place / "file"
    path.write_text("before")

    def half() -> None:
        with atomic_write.whole(path) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [file.read_text() for file in place.iterdir()] == ["before"]
