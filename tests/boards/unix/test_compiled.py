"""The firmware that emulated pumps boot from: compiled once for each digest, the same runs as its text."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from thecal.emulator.emulator import Emulator
from thecal.errors import SimulationError
from thecal.firmware_build import compiled

ROOT = Path(__file__).resolve().parents[3]
THECAL = Path(sys.executable).parent / "thecal"
MORPHINE = ROOT / "examples" / "morphine-constant.toml"
# What uses everything: resets, modules loaded on demand, the check of the code, noise, flash that rots.
EVENTS = """
[[event]]
at = "2h"
do = "patient_bolus"
[[event]]
at = "5h"
inject = "power_cut"
for = "1min"
[[event]]
at = "6h"
inject = "link_noise"
bit_error_rate = "1e-4"
[[event]]
at = "7h"
do = "stop"
[[event]]
at = "8h"
do = "resume"
[[event]]
at = "9h"
inject = "flash_bit_flip"
[[event]]
at = "10h"
do = "program"
file = "morphine.toml"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; where the compiled firmwares lie in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "thecal" / "firmware"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A firmware of two files, which says on the serial line what it is."""
    home = tmp_path / "small"
    (home / "firmware").mkdir(parents=True)
    (home / "protocol" / "thecal_protocol").mkdir(parents=True)
    (home / "firmware" / "main.py").write_text("from thecal_protocol import said\n")
    (home / "protocol" / "thecal_protocol" / "said.py").write_text("x = 1\n")
    for folder in ("hal", "testbench"):
        (home / "boards" / "unix" / folder).mkdir(parents=True)
    (home / "boards" / "unix" / "testbench" / "multi_boot.py").touch()
    shutil.copy(ROOT / "boards" / "unix" / "build.toml", home / "boards" / "unix")
    monkeypatch.setenv("THECAL_HOME", str(home))
    return home / "protocol" / "thecal_protocol" / "said.py"


def copy_of_the_firmware(home: Path) -> Path:
    for folder in ("firmware", "protocol", "boards"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return home


def simulate(folder: Path, *more: str) -> tuple[bytes, bytes]:
    """Trace and flash of half a day in which much happens."""
    folder.mkdir()
    shutil.copy(MORPHINE, folder / "morphine.toml")
    (folder / "events.toml").write_text(EVENTS)
    command = [
        str(THECAL),
        "simulate",
        str(MORPHINE),
        "--for",
        "12h",
        "--events",
        str(folder / "events.toml"),
    ]
    command += ["--seed", "11", "--trace", str(folder / "trace"), "--flash", str(folder / "flash"), *more]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return (folder / "trace").read_bytes(), (folder / "flash").read_bytes()


def boots_from(pump: int) -> str:
    """MICROPYPATH of a pump's process."""
    return dict(
        line.split("=", 1) for line in Path(f"/proc/{pump}/environ").read_text().split("\0") if "=" in line
    )["MICROPYPATH"]


def test_compiled_and_source_make_the_same_steps_and_the_same_flash(tmp_path: Path):
    trace, flash = simulate(tmp_path / "compiled")
    assert len(trace) > 8 * 20_000
    assert (trace, flash) == simulate(tmp_path / "source", "--source")


def test_every_pump_boots_compiled_and_with_source_the_text(cache: Path):
    with Emulator(seed=1) as pump:
        assert boots_from(pump.process.pid).startswith(str(cache))
    with Emulator(seed=1, source=True) as pump:
        assert boots_from(pump.process.pid) == compiled.text_of(ROOT).micropython_path


@pytest.mark.parametrize("option", [[], ["--source"]])
def test_emulate_boots_as_it_is_told(cache: Path, option: list[str]):
    command = [str(THECAL), "emulate", "--unpaired", *option]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        below = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
        )
        assert boots_from(int(below.stdout)).startswith(str(ROOT if option else cache))
        process.terminate()
    assert process.returncode == 0


def test_what_was_changed_is_what_boots(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    home = copy_of_the_firmware(tmp_path / "home")
    monkeypatch.setenv("THECAL_HOME", str(home))
    with Emulator(seed=1):
        pass
    file = home / "firmware" / "pump" / "pump.py"
    file.write_text(file.read_text() + "\n\nraise KeyError('changed')\n")
    lines = file.read_text().count("\n")
    with (
        pytest.raises(SimulationError, match=rf"KeyError.*firmware/pump/pump\.py\", line {lines}"),
        Emulator(seed=1),
    ):
        pass
    assert len(list(cache.iterdir())) == 2
    assert not list(home.rglob("*.mpy"))


@pytest.mark.parametrize(
    "name", ["firmware/pump/safety/guard.py", "firmware/main.py", "boards/unix/hal/simulated_motor.py"]
)
def test_a_file_that_does_not_compile_is_named_with_its_line(
    name: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    home = copy_of_the_firmware(tmp_path / "home")
    file = home / name
    lines = file.read_text().count("\n")
    with file.open("a") as text:
        text.write("\nbroken = = 1\n")
    monkeypatch.setenv("THECAL_HOME", str(home))
    with pytest.raises(SimulationError) as caught, Emulator(seed=1):
        pass
    assert str(caught.value) == (
        f"{file}, line {lines + 2} does not compile: SyntaxError: invalid syntax;"
        " mend it and start the pump again"
    )
    assert list(cache.iterdir()) == []


def test_without_a_compiler_the_text_boots_and_nothing_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch):
    compiled.mpy_cross.cache_clear()
    monkeypatch.setattr(platform, "machine", lambda: "abacus")
    try:
        with Emulator(seed=1) as pump:
            assert boots_from(pump.process.pid).startswith(str(ROOT))
    finally:
        compiled.mpy_cross.cache_clear()
    monkeypatch.undo()
    assert not cache.exists()


def test_a_compiler_that_does_not_run_is_none(small: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    other = small.with_name("mpy-cross")
    other.write_bytes(b"\x7fELF of another machine")
    other.chmod(0o755)
    monkeypatch.setattr(compiled, "_compiler", lambda _: compiled.Compiler(other, (), frozenset()))
    with compiled.firmware() as firmware:
        assert firmware.main == small.parents[2] / "firmware" / "main.py"


def test_another_interpreter_boots_the_text(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("THECAL_MICROPYTHON", "whatever")
    with compiled.firmware() as firmware:
        assert firmware.root == ROOT


@pytest.mark.parametrize("what", ["a file", "no home"])
def test_a_cache_that_cannot_be_written_is_a_temporary_folder(tmp_path: Path, what: str):
    """It is gone when the command ends; the folders that the command was run from are as they were."""
    (tmp_path / "file").write_text("")
    temporary = tmp_path / "for-a-while"
    temporary.mkdir()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file"), "TMPDIR": str(temporary)}
    if what == "no home":
        environment |= {"XDG_CACHE_HOME": "", "HOME": "/dev/null"}
    script = (
        "from thecal.emulator.emulator import Emulator\n"
        "for _ in range(2):\n"
        "    with Emulator(seed=1) as pump:\n"
        "        print(pump._firmware.root)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split()
    assert first == second
    assert first.startswith(str(temporary))
    assert list(temporary.iterdir()) == []


def test_two_at_once_make_one(cache: Path):
    script = "from thecal.emulator.emulator import Emulator\nwith Emulator(seed=1): pass\n"
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(list(cache.iterdir())) == 1


@pytest.fixture
def used() -> Iterator[ExitStack]:
    """What is entered here is in use until the test ends."""
    with ExitStack() as stack:
        yield stack


def test_what_was_not_used_for_longest_goes_unless_a_pump_boots_from_it(
    small: Path, cache: Path, used: ExitStack, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compiled, "KEPT", 2)
    homes: list[Path] = []
    for number in range(5):
        small.write_text(f"x = {number}\n")
        with ExitStack() as here:
            firmware = (used if number == 1 else here).enter_context(compiled.firmware())
            homes.append(firmware.root)
        os.utime(homes[-1], (1_000_000 + number, 1_000_000 + number))
    assert [home.exists() for home in homes] == [False, True, False, True, True]
    small.write_text("x = 0\n")  # what was pruned is made again
    with compiled.firmware() as firmware:
        assert firmware.root == homes[0]
        assert firmware.main.exists()


def test_what_a_killed_process_left_behind_goes(small: Path, cache: Path):
    for name, age_s in (("draft-old", 7200), ("draft-new", 0)):
        (cache / name / "x").mkdir(parents=True)
        if age_s:
            os.utime(cache / name, (1_000_000, 1_000_000))
    with compiled.firmware():
        pass
    assert not (cache / "draft-old").exists()
    assert (cache / "draft-new").exists()
