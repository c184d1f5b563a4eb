"""Several emulated pumps on one computer: who they are, and what each has to itself (HOST-13, HOST-14)."""

import contextlib
import json
import lzma
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PowerCut
from thecal.errors import SimulationError
from thecal.link import keyring

from .conftest import DEADLINE_S, ROOT, Thecal
from .test_emulate import emulating, first_line

_MOST_OPERATIONS = 60  # on the flash, of a first start
SOAK = bool(os.environ.get("THECAL_SOAK"))
STARTS = 30 if SOAK else 2
# With keys or without, cut at which operations first, and how. The number comes with the 7th or the 10th.
CUTS = [(True, 7, ("after",)), (False, 4, ("torn",))]
if SOAK:
    CUTS = [(True, 1, ("torn", "after")), (False, 1, ("torn", "after"))]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keyring of somebody who has none yet."""
    path = tmp_path / "keys"
    monkeypatch.setenv("THECAL_KEYS", str(path))
    return path


def started(process: "subprocess.Popen[str]") -> dict[str, str]:
    return dict(json.loads(first_line(process)))


def ended(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


@pytest.mark.req("HOST-13", part="two at once, and one that was here before")
def test_each_has_a_number_of_its_own(keys: Path, thecal: Thecal, tmp_path: Path):
    flash = tmp_path / "flash"
    with emulating("--json", "--flash", flash) as one, emulating("--json") as two:
        first, second = started(one), started(two)
        assert first["serial_number"] != second["serial_number"]
        for pump in (first, second):
            seen = json.loads(thecal("status", "--json", port=pump["port"]).out)
            assert seen["serial"] == pump["serial_number"]
        thecal("log", "--verify", port=second["port"])
        ended(one)
        ended(two)
    assert [path.name for path in keys.iterdir()] == [f"{first['serial_number']}.clinician.link"]
    with emulating("--json", "--flash", flash) as again:
        assert started(again)["serial_number"] == first["serial_number"]


@pytest.mark.req("HOST-13", part="by the seed, by name, kept on the flash; another one is refused")
def test_the_number_is_the_flashs(tmp_path: Path):
    flash = tmp_path / "flash"
    with Emulator(seed=1) as one, Emulator(seed=1) as two, Emulator(seed=2) as other:
        assert one.serial_number == two.serial_number != other.serial_number
    with Emulator(flash=flash, serial_number="BENCH-7") as pump:
        assert pump.serial_number == "BENCH-7"
    with pytest.raises(SimulationError, match="the flash holds the pump BENCH-7, not BENCH-8; leave"):
        Emulator(flash=flash, serial_number="BENCH-8").start()
    with Emulator(flash=flash, seed=1) as pump:
        assert pump.serial_number == "BENCH-7"


@pytest.mark.req("HOST-13", part="a flash of 0.1.0 goes on as UNIX-0001")
def test_a_flash_of_0_1_0_keeps_its_number(tmp_path: Path):
    image = ROOT / "tests" / "data" / "flash-0.1.0" / "paired.flash.xz"
    flash = tmp_path / "flash"
    flash.write_bytes(lzma.decompress(image.read_bytes()))
    with Emulator(flash=flash) as pump:
        assert pump.serial_number == "UNIX-0001"


@pytest.mark.req("HOST-13", part="a first start that was cut short, at any operation")
@pytest.mark.parametrize(("provisioned", "first", "whens"), CUTS)
def test_a_first_start_that_was_cut_short_leaves_the_given_number_or_none(
    tmp_path: Path, provisioned: bool, first: int, whens: tuple[str, ...]
):
    """None: it takes another. About where the number is written; in the soak, at every operation."""
    with Emulator(seed=1) as pump:
        by_seed = pump.serial_number
    found: list[str] = []
    cuts = ((number, when) for number in range(first, _MOST_OPERATIONS) for when in whens)
    for number, when in cuts:
        flash = tmp_path / f"{number}-{when}"
        cut = Emulator(
            seed=1, flash=flash, provisioned=provisioned, serial_number="GIVEN-1",
            settings={"power_cut": f"{number}:{when}:0"},
        )  # fmt: skip
        try:
            cut.start()
        except PowerCut:
            with Emulator(seed=1, flash=flash, provisioned=provisioned) as pump:
                found.append(pump.serial_number)
        else:  # it made fewer operations
            cut.close()
            break
        if not SOAK and found.count("GIVEN-1") == 3:
            break
    assert set(found) == {by_seed, "GIVEN-1"}
    assert found == sorted(found, key=[by_seed, "GIVEN-1"].index)


@pytest.mark.req("HOST-13", part="a pump by the same seed has a key here already")
def test_what_was_in_the_keyring_stays(keys: Path):
    with Emulator(seed=5) as pump:
        serial = pump.serial_number
    keyring.store(serial, "clinician", bytes(16))
    keyring.store("UNIX-0001", "clinician", bytes(16))
    with emulating("--seed", "5", "--json") as process:
        assert started(process)["serial_number"] == serial
        assert keyring.stored(serial, "clinician") != bytes(16)
        ended(process)
    assert keyring.stored(serial, "clinician") == keyring.stored("UNIX-0001", "clinician") == bytes(16)


@pytest.mark.req("HOST-14", part="a live pump's link and flash, and those of a killed one")
def test_two_never_share_a_link_or_a_flash(keys: Path, thecal: Thecal, tmp_path: Path):
    link, flash = tmp_path / "pump", tmp_path / "flash"
    with emulating("--link", link, "--flash", flash) as process:
        assert first_line(process) == str(link)
        port = link.readlink()
        refused = thecal("emulate", "--link", link).error
        assert refused.startswith(f"{link} is the port of another pump that runs; end that one first")
        refused = thecal("emulate", "--flash", flash).error
        assert refused.startswith(f"another pump runs on the flash {flash}; end that one first")
        with pytest.raises(SimulationError, match="another pump runs on the flash"):
            Emulator(flash=flash).start()
        assert link.readlink() == port
        process.kill()
        process.wait(DEADLINE_S)
    assert link.is_symlink()
    with emulating("--link", link, "--flash", flash) as process:
        assert first_line(process) == str(link)
        assert thecal("status", port=str(link)).code == 0
        ended(process)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "pump"))] == []


@pytest.mark.req("HOST-14", part="what is no port's name is left alone")
def test_a_link_to_something_else(keys: Path, thecal: Thecal, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    assert "is a link to something else" in thecal("emulate", "--link", link).error
    assert (tmp_path / "file").read_text() == "mine"
    missing = tmp_path / "nowhere" / "link"
    assert "cannot be made: No such file or directory" in thecal("emulate", "--link", missing).error


@pytest.mark.req("HOST-14", part="a host that polls the link while the pump starts")
def test_a_polling_host_ends_nothing(keys: Path, tmp_path: Path):
    link = tmp_path / "pump"
    ending = threading.Event()

    def poll() -> None:
        """Opens the port as soon as it is there, and says nothing sensible."""
        while not ending.is_set():
            try:
                port = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.001)
                continue
            with contextlib.suppress(OSError):  # it may be going as this comes
                os.write(port, b"\0hello\0")
            os.close(port)

    host = threading.Thread(target=poll)
    host.start()
    try:
        for _ in range(STARTS):
            with emulating("--link", link) as process:
                assert first_line(process) == str(link), process.communicate(timeout=DEADLINE_S)
                ended(process)
            assert not link.is_symlink()
    finally:
        ending.set()
        host.join()
