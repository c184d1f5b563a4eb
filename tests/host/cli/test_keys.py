"""`thecal pair` and `thecal keys`, against an emulated pump that nobody has paired with."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from thecal.emulator.emulator import Emulator
from thecal.link import keyring
from thecal_protocol.roles import CLINICIAN, PATIENT

from .conftest import DEADLINE_S, THECAL, Thecal
from .test_emulate import emulating, first_line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keyring of somebody who has none yet."""
    path = tmp_path / "keys"
    monkeypatch.setenv("THECAL_KEYS", str(path))
    return path


@pytest.fixture
def blank(folder: Path) -> Iterator[Emulator]:
    with Emulator(seed=1, paired=False) as emulator:
        yield emulator


def pair(pump: Emulator, *arguments: str) -> str:
    """`thecal pair`, and somebody who presses the button when asked; what it printed."""
    command = [str(THECAL), "pair", "--port", pump.port, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        asked = process.stderr.readline()
        assert asked.startswith("Press the button of the pump UNIX-C4494050 within 60 s"), asked
        pump.bench.press_button()
        out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    return out


@pytest.mark.req("SEC-07", part="thecal pair: a key by the button, kept with mode 0600")
def test_pair_then_use_then_forget(blank: Emulator, folder: Path, thecal: Thecal):
    assert thecal("status", port=blank.port).error.endswith("pair with it: thecal pair --role clinician")

    first = thecal("pair", "--role", "patient", port=blank.port)
    assert "no clinician's key yet" in first.error

    assert pair(blank).startswith("UNIX-C4494050: paired as clinician")
    assert json.loads(thecal("status", "--json", port=blank.port).out)["state"] == "unprogrammed"
    document = json.loads(pair(blank, "--role", "patient", "--json"))
    assert document["role"] == "patient"

    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["UNIX-C4494050.clinician.link", "UNIX-C4494050.patient.link"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert bytes.fromhex(files[0].read_text()) == blank.key(CLINICIAN)
    assert bytes.fromhex(files[1].read_text()) == blank.key(PATIENT)

    shown = thecal("keys")
    assert shown.out == "UNIX-C4494050  clinician\nUNIX-C4494050  patient\n"
    everything = shown.out + thecal("keys", "--json").out + json.dumps(document)
    assert not any(file.read_text().strip() in everything for file in files)

    assert thecal("keys", "forget", "UNIX-C4494050", "patient").out == "UNIX-C4494050  patient: forgotten\n"
    assert thecal("keys").out == "UNIX-C4494050  clinician\n"
    assert "no patient's key" in thecal("keys", "forget", "UNIX-C4494050", "patient").error
    assert thecal("status", port=blank.port).code == 0
    thecal("keys", "forget", "UNIX-C4494050")
    assert thecal("keys").err.startswith("There are no keys in")
    assert thecal("status", port=blank.port).code == 1


@pytest.mark.req("SEC-07", part="pairing anew revokes the old key")
def test_a_new_pairing_revokes_the_old_key(blank: Emulator, folder: Path, thecal: Thecal):
    pair(blank)
    old = keyring.stored("UNIX-C4494050", "clinician")
    assert old is not None
    pair(blank)
    assert thecal("status", port=blank.port).code == 0

    keyring.store("UNIX-C4494050", "clinician", old)
    assert "wrong_key" in thecal("status", port=blank.port).error


@pytest.mark.req("SEC-07", part="a key file that others may read is not used")
def test_a_key_that_others_may_read_is_not_used(blank: Emulator, folder: Path, thecal: Thecal):
    pair(blank)
    (folder / "UNIX-C4494050.clinician.link").chmod(0o644)

    assert "others may read" in thecal("status", port=blank.port).error


def test_emulate_pairs_with_who_starts_it(folder: Path, thecal: Thecal, tmp_path: Path):
    with emulating("--seed", 1, "--link", tmp_path / "pump") as process:
        port = first_line(process)
        assert thecal("keys").out == "UNIX-C4494050  clinician\n"
        assert json.loads(thecal("status", "--json", port=port).out)["serial"] == "UNIX-C4494050"
        assert os.environ["THECAL_KEYS"] == str(folder)
