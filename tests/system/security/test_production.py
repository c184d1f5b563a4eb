"""The debug port (SEC-10): what the chip's start does with the console, and what control bytes do on the
line.

The start is boards/rp2040/loader.py itself, run with stand-ins for the chip's modules."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.link.transport import Transport

LOADER = Path(__file__).resolve().parents[3] / "boards" / "rp2040" / "loader.py"
CTRL_C = 3
DEAD = -1
Said = tuple[int, bytes]


class Chip:
    """Stand-ins for the chip's modules, pins and the firmware; what was done with them."""

    def __init__(
        self, *, held: bool = False, fails: bool = False, reset: bool = False, said: tuple[Said, ...] = ()
    ):
        """`reset`: by the watchdog; else the power came. `said`: on the console's line, (ms, bytes)."""
        self.reset = reset
        self.now_ms = 0
        self.coming = [(at_ms, bytes([byte])) for at_ms, data in said for byte in data]
        self.done: list[tuple[str, int]] = []
        self.held = held
        self.fails = fails

    def note(self, what: str, number: int = 0) -> None:
        self.done.append((what, number))

    def poll(self, timeout_ms: int) -> bool:
        """Wait for a byte on the line."""
        if self.coming and self.coming[0][0] <= self.now_ms + timeout_ms:
            self.now_ms = max(self.now_ms, self.coming[0][0])
            return True
        self.now_ms += timeout_ms
        return False

    def read(self, count: int) -> bytes:
        assert count == 1
        return self.coming.pop(0)[1]

    def sleep_ms(self, ms: int) -> None:
        self.now_ms += ms
        self.note("wait", ms)

    def modules(self) -> dict[str, ModuleType]:
        chip = self

        class Pin:
            IN, OUT, PULL_UP = 0, 1, 2

            def __init__(self, number: int, *_: int, value: int | None = None):
                if value is not None:
                    chip.note(f"pin {number}", value)

            def value(self) -> int:
                return 0 if chip.held else 1

        class Pwm:
            def __init__(self, pin: Pin, **_: int):
                chip.note("tone")

            def deinit(self) -> None:
                chip.note("quiet")

        names: dict[str, dict[str, Any]] = {
            "machine": {
                "Pin": Pin,
                "PWM": Pwm,
                "WDT_RESET": 3,
                "reset": lambda: chip.note("reset"),
                "reset_cause": lambda: 3 if chip.reset else 1,
            },
            "micropython": {"kbd_intr": lambda byte: chip.note("console", byte)},  # pyright: ignore
            "time": {
                "sleep_ms": self.sleep_ms,
                "ticks_ms": lambda: chip.now_ms,
                "ticks_add": lambda a, b: a + b,  # pyright: ignore
                "ticks_diff": lambda a, b: a - b,  # pyright: ignore
            },
            "select": {
                "POLLIN": 1,
                "poll": lambda: SimpleNamespace(register=lambda *_: None, poll=self.poll),  # pyright: ignore
            },
            "gc": {"threshold": lambda _: None},  # pyright: ignore
            "pins": {"BUTTON": 5, "ENABLE": 6, "BUZZER": 7, "MOTOR_OFF": 1},
        }
        made: dict[str, ModuleType] = {}
        for name, members in names.items():
            module = made[name] = ModuleType(name)
            module.__dict__.update(members)
        return made


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str, chip: Chip) -> list[tuple[str, int]]:
    """Run the loader on a chip whose files lie in `folder`."""
    (folder / "a").mkdir()
    text = "from chip import chip\nchip.note('therapy')\nif chip.fails: raise OSError('flash')\n"
    (folder / "a" / "thecal_main.py").write_text(text)
    source = LOADER.read_text().replace('"/settings"', f'"{folder}/settings"')
    source = source.replace('"/active"', f'"{folder}/active"').replace('slot = "/"', f'slot = "{folder}/"')
    source = source.replace("sys.print_exception(error)", "pass")
    (folder / "loader.py").write_text(source)
    if settings:
        (folder / "settings").write_text(settings)
    for name, module in chip.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    bridge = ModuleType("chip")
    bridge.chip = chip  # pyright: ignore
    monkeypatch.setitem(sys.modules, "chip", bridge)
    monkeypatch.delitem(sys.modules, "thecal_main", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=chip.read)))
    runpy.run_path(str(folder / "loader.py"))
    sys.modules.pop("thecal_main", None)
    return chip.done


PRODUCTION = "serial=usb\nproduction=1\nserial_number=\n"


@pytest.mark.req(
    "SEC-10", part="production: the motor is off and the console dead before anything else is done"
)
@pytest.mark.parametrize("fails", [False, True], ids=["runs", "fails"])
def test_in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool):
    done = start(tmp_path, monkeypatch, PRODUCTION, Chip(fails=fails))
    assert done[:2] == [("console", DEAD), ("pin 6", 1)]
    assert sum(ms for what, ms in done[: done.index(("therapy", 0))] if what == "wait") <= 50
    therapy = done.index(("therapy", 0))
    assert ("console", CTRL_C) not in done[:therapy]
    if fails:  # the motor's driver is off, it sounds, and the chip starts anew: no console after a crash
        after = done[therapy + 1 :]
        sound = [("tone", 0), ("wait", 500), ("quiet", 0), ("wait", 500)]
        assert after[:42] == [("pin 6", 1), *(sound * 10), ("reset", 0)]


@pytest.mark.req("SEC-10", part="the button at start opens maintenance")
@pytest.mark.parametrize("settings", [PRODUCTION, ""])
def test_the_button_opens_maintenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str):
    done = start(tmp_path, monkeypatch, settings, Chip(held=True))
    assert done[-1] == ("console", CTRL_C)
    assert sum(ms for what, ms in done if what == "wait") == 50
    assert ("therapy", 0) not in done


def test_the_button_stops_no_pump_that_was_reset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done = start(tmp_path, monkeypatch, PRODUCTION, Chip(held=True, reset=True))
    assert ("therapy", 0) in done


def test_without_production_there_are_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chip = Chip()
    done = start(tmp_path, monkeypatch, "production=0\n", chip)
    assert done == [("console", DEAD), ("pin 6", 1), ("wait", 5), ("therapy", 0), ("console", CTRL_C)]
    assert 2000 <= chip.now_ms <= 2040


@pytest.mark.req("SEC-10", part="two seconds for the console where it is no production")
@pytest.mark.parametrize("said", [b"\x03", b"\r\x03", b"\r\x03\r\x01"], ids=["typed", "sent", "by mpremote"])
def test_ctrl_c_in_the_two_seconds_gets_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
):
    done = start(tmp_path, monkeypatch, "", Chip(said=((100, b"\0\x05"), (700, said))))
    assert ("therapy", 0) not in done
    assert done[-1] == ("console", CTRL_C)


@pytest.mark.req("SEC-10", part="a host that talks to a pump that starts does not stop it")
@pytest.mark.parametrize(
    "said",
    [b"\0\x03\x04\0", b"\x03\x03\x03", b"\x05\r\x03", b"\x03\x01", b"\r", b"\r\r\x03"],
    ids=["frame", "three", "within", "more behind", "return", "second"],
)
def test_the_byte_of_ctrl_c_in_a_frame_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes):
    frames = tuple((at_ms, said) for at_ms in range(50, 2000, 250))
    done = start(tmp_path, monkeypatch, "", Chip(said=frames))
    assert ("therapy", 0) in done
    assert done.index(("therapy", 0)) < done.index(("console", CTRL_C))


@pytest.mark.req("SEC-10", part="control bytes of a console are bytes of nobody's frame")
def test_a_console_on_the_pumps_line():
    """Interrupt, raw mode, raw paste, soft reset, and a program: no word comes back, nothing happens."""
    attack = b"\r\x03\x03\x01\x05A\x01import machine\nmachine.reset()\n\x04\x04\x02\x04"
    with Emulator(seed=1) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(rig.therapy()).digest)
            steps = client.accounts().steps
        with Transport(pump.port) as line:
            line.send(attack * 3)
            pump.bench.advance_by(60_000_000)
            assert not line.receive(0.0)
        with Client.connect(pump.port) as client:
            assert client.status().state == "infusing"
            assert client.log_state().boot == 1
            assert client.accounts().steps > steps
        assert pump.process.poll() is None
