"""The live monitor, driven by Textual's Pilot, against an emulated pump whose time we hold."""

import asyncio
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Awaitable, Callable
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from support.emulated_keys import keys_for
from support.one_pump import HOUR_US, MORPHINE
from thecal import Pump, ThecalError
from thecal.emulator.emulator import Emulator
from thecal.errors import PortError
from thecal.monitor import words
from thecal.monitor.app import LiveMonitor, Question
from thecal.monitor.look import Looking

THECAL = Path(sys.executable).parent / "thecal"
DEADLINE_S = 40.0

Steps = Callable[["Shown"], Awaitable[None]]


class Shown:
    """The running app, and waiting for what it shows."""

    def __init__(self, app: LiveMonitor, pilot: "Pilot[ThecalError | None]"):
        self.app = app
        self.pilot = pilot

    def text(self, name: str) -> str:
        return str(self.app.screen_stack[0].query_one(f"#{name}", Static).content)

    async def until(self, name: str, part: str) -> str:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while part not in self.text(name):
                    await self.pilot.pause(0.01)
        except TimeoutError:
            pytest.fail(f"{part!r} is not in {self.text(name)!r}")
        return self.text(name)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


def watch(
    pump: Pump, steps: Steps, *, size: tuple[int, int] = (80, 24), ascii_only: bool = False
) -> LiveMonitor:
    """Run the monitor through these steps."""
    app = LiveMonitor(pump, 0.02, ascii_only=ascii_only)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await steps(Shown(app, pilot))
            app.exit(None)

    asyncio.run(run())
    return app


def test_what_it_shows_is_what_the_pump_says(pump: Pump, emulator: Emulator):
    async def steps(shown: Shown) -> None:
        state = await shown.until("state", "infusing")
        assert "120 uL/day" in state
        assert "6 000" in state
        assert "300 mcg morphine" in state
        assert "39.985 mL" in state
        windows = shown.text("windows")
        assert "morphine  24 h" in windows
        assert "300 mcg / 6 mg" in windows
        assert "0 of 6 in 24 h" in windows
        assert shown.text("alarms") == "no alarm"
        assert "program_committed" in shown.text("events")
        assert "UNIX-C4494050" in shown.text("head")
        emulator.bench.advance_by(HOUR_US)
        await shown.until("state", "8 000")

    watch(pump, steps)


def test_everything_fits_80_by_24(pump: Pump):
    """No line is cut or wrapped away: every part lies inside the window."""

    async def steps(shown: Shown) -> None:
        await shown.until("state", "infusing")
        for name in ("head", "state", "windows", "alarms", "events", "message", "keys"):
            region = shown.app.screen_stack[0].query_one(f"#{name}").region
            assert region.right <= 80, name
            assert region.bottom <= 24, name
            assert region.height >= 1, name
        assert max(map(len, shown.text("windows").splitlines())) <= 36
        assert max(map(len, shown.text("state").splitlines())) <= 37

    watch(pump, steps)


def test_looks_do_not_push_out_what_happened(emulator: Emulator):
    """Nine who only looked leave sessions on record; the newest lines are about therapy all the same."""
    with Pump(emulator.port) as pump:
        pump.propose_program(MORPHINE).commit()
    for _ in range(9):
        with Pump(emulator.port) as pump:
            pump.status()
    with Pump(emulator.port) as pump:
        lines = words.event_lines(Looking(pump).look(), 4, 60)
    text = "\n".join(lines)
    assert "program_committed" in text
    assert "session" not in text
    assert max(map(len, lines)) <= 60
    assert not re.search(r"[0-9]\.\.\.$", text, re.MULTILINE)


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (30, 10)])
def test_a_window_that_is_too_small_says_so(pump: Pump, size: tuple[int, int]):
    async def steps(shown: Shown) -> None:
        await shown.pilot.pause()
        assert f"This window has {size[0]} x {size[1]} characters; the monitor needs 80 x 24" in shown.text(
            "small"
        )
        assert shown.app.screen_stack[0].query_one("#small").display
        assert not shown.app.screen_stack[0].query_one("#main").display
        await shown.pilot.resize_terminal(100, 30)
        await shown.pilot.pause()
        assert shown.app.screen_stack[0].query_one("#main").display

    watch(pump, steps, size=size)


def test_a_bolus_only_after_yes(pump: Pump):
    async def steps(shown: Shown) -> None:
        await shown.until("state", "infusing")
        for answer in ("n", "escape", "enter"):
            await shown.press("b")
            assert isinstance(shown.app.screen, Question)
            await shown.press(answer)
            await shown.until("message", "nothing was done")
        assert "0 of 6" in shown.text("windows")
        await shown.press("b", "y")
        await shown.until("windows", "1 of 6 in 24 h")
        assert "2 h left" in await shown.until("windows", "left")
        assert "bolus      patient, 5 min left" in shown.text("state")
        await shown.press("b", "y")
        await shown.until("message", "the pump refused the patient's bolus: running")

    watch(pump, steps)


def test_alarms_and_their_silence(pump: Pump, emulator: Emulator):
    async def steps(shown: Shown) -> None:
        await shown.until("alarms", "no alarm")
        await shown.press("s")
        await shown.until("message", "nothing to silence")
        pump_stopped.set()
        await shown.until("alarms", "max_pause")
        assert shown.app.screen_stack[0].query_one("#alarms").has_class("alarm")
        await shown.press("s", "n")
        await shown.until("message", "nothing was done")
        await shown.press("s", "y")
        await shown.until("message", "keeps silent for 1 h")

    pump_stopped = asyncio.Event()
    pump.stop()
    looking = LiveMonitor._show

    def advance_once(app: LiveMonitor, look: object) -> None:
        looking(app, look)  # type: ignore[arg-type]
        if pump_stopped.is_set():
            emulator.bench.advance_by(HOUR_US // 4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiveMonitor, "_show", advance_once)
        watch(pump, steps)


def test_ascii_only(pump: Pump):
    async def steps(shown: Shown) -> None:
        await shown.until("state", "infusing")
        drawn = "\n".join(
            "".join(segment.text for segment in strip)
            for strip in shown.app.screen._compositor.render_strips()
        )
        assert "infusing" in drawn
        assert drawn.isascii()
        await shown.press("b")
        assert isinstance(shown.app.screen, Question)

    watch(pump, steps, ascii_only=True)


def test_silence_is_shown_and_waited_out(pump: Pump, emulator: Emulator):
    async def steps(shown: Shown) -> None:
        await shown.until("state", "infusing")
        emulator.process.send_signal(19)  # it hangs
        await shown.until("message", "this is the last that was heard")
        emulator.process.send_signal(18)
        async with asyncio.timeout(DEADLINE_S):
            while shown.text("message"):
                await shown.pilot.pause(0.01)

    watch(pump, steps)


def test_a_port_that_vanishes_ends_it(pump: Pump, emulator: Emulator):
    async def steps(shown: Shown) -> None:
        await shown.until("state", "infusing")
        emulator.close()
        async with asyncio.timeout(DEADLINE_S):
            while shown.app.return_value is None:
                await shown.pilot.pause(0.01)
        assert isinstance(shown.app.return_value, PortError)

    app = LiveMonitor(pump, 0.02)

    async def run() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await steps(Shown(app, pilot))

    asyncio.run(run())
    assert "vanished while in use" in str(app.return_value)


def given(pump: Pump, hours: int = 24) -> tuple[float, bool]:
    """ng by the window, and whether it is the whole of it."""
    [window] = [window for window in Looking(pump).look().windows if window.hours == hours]
    return window.given_ng, window.whole


STEP_NG = 2500 * 20_000_000 // 10**9


def test_a_refusal_is_shown_and_asked_again(pump: Pump, emulator: Emulator, monkeypatch: pytest.MonkeyPatch):
    """The screen never stands still without saying so."""
    look, refused = Looking.look, iter([True, True])

    def now_and_then(self: Looking) -> Any:
        if next(refused, False):
            raise ThecalError("the pump refused auth: slow_down", "wait")
        return look(self)

    async def steps(shown: Shown) -> None:
        await shown.until("message", "slow_down: this is the last that was heard")
        await shown.until("state", "infusing")

    monkeypatch.setattr(Looking, "look", now_and_then)
    watch(pump, steps)


def test_windows_are_what_the_motor_made(pump: Pump, emulator: Emulator):
    """Against the physical steps, over a stop, boluses, one cut short, hour after hour for two days."""
    acts = {
        5: lambda: pump.propose_bolus("0.2 mg", over="10 min").commit(),
        8: pump.patient_bolus,
        12: pump.stop,
        14: pump.resume,
        33: lambda: pump.propose_bolus("0.3 mg", over="3 h").commit(),
        34: pump.stop,
        35: pump.resume,
    }
    steps = {3: emulator.bench.truth().steps}  # by hours since the program
    for hour in range(4, 52):
        emulator.bench.advance_by(HOUR_US)
        steps[hour] = emulator.bench.truth().steps
        if hour < 24 or hour >= 27:
            made = steps[hour] - steps.get(hour - 24, 0)
            found, whole = given(pump)
            assert whole
            assert abs(found - made * STEP_NG) <= 3 * STEP_NG, hour
        if hour in acts:
            acts[hour]()


def test_the_window_of_an_hour_and_of_two_programs(emulator: Emulator, tmp_path: Path):
    limited = tmp_path / "limited.toml"
    text = MORPHINE.read_text().replace(
        'max_dose_24h = "6 mg"', 'max_dose_24h = "6 mg"\nmax_dose_1h = "1 mg"'
    )
    limited.write_text(text)
    with Pump(emulator.port, button=lambda _: emulator.bench.press_button()) as pump:
        pump.propose_program(limited).commit()
        emulator.bench.advance_by(HOUR_US // 2)
        assert given(pump, 1) == (pytest.approx(50_000, abs=STEP_NG), True)
        pump.propose_program(MORPHINE).commit()
        emulator.bench.advance_by(HOUR_US)
        found, whole = given(pump)
        assert (found, whole) == (pytest.approx(100_000, abs=2 * STEP_NG), False)  # 50 mcg before it
        assert "over 100 mcg" in "\n".join(words.window_lines(Looking(pump).look(), False))


def test_windows_of_a_flex_schedule(emulator: Emulator):
    """The present rate alone would be wrong by half."""
    with Pump(emulator.port) as pump:
        pump.propose_program(MORPHINE.with_name("baclofen-night-rise.toml")).commit()
        for _ in range(3):
            emulator.bench.advance_by(20 * HOUR_US)
        before = emulator.bench.truth().steps
        emulator.bench.advance_by(24 * HOUR_US)
        made = emulator.bench.truth().steps - before
        program = pump.therapy()
        assert program is not None
        step_pl, drugs = program["step_volume_pl"], program["drugs"]
        assert isinstance(step_pl, int)
        ng = made * step_pl * drugs[0]["concentration_ng_per_ml"] / 10**9  # pyright: ignore[reportIndexIssue]
        found, whole = given(pump)
        assert whole
        assert found == pytest.approx(ng, abs=3 * ng / made)


def test_a_pump_without_a_program(emulator: Emulator):
    async def steps(shown: Shown) -> None:
        await shown.until("state", "unprogrammed")
        await shown.press("b")
        await shown.until("message", "prescribes no patient's bolus")

    with Pump(emulator.port) as pump:
        watch(pump, steps)


@pytest.mark.parametrize(
    ("environment", "speaks"),
    [
        ({"LANG": "en_GB.UTF-8"}, True),
        ({"LANG": "de_DE.utf8"}, True),
        ({"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
        ({}, False),
    ],
)
def test_which_terminals_speak_utf8(environment: dict[str, str], speaks: bool):
    assert words.speaks_utf8(environment) is speaks


def test_on_a_real_terminal(pump: Pump, emulator: Emulator):
    """The installed command on a pty of 80 x 24: it draws, q ends it, the exit code is 0."""
    pump.close()
    keys = keys_for(emulator.port)
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [str(THECAL), "monitor", "--port", emulator.port, "--interval", "50ms"]
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C", **keys}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while b"infusing" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"q")
        try:
            while os.read(ours, 4096):
                pass
        except OSError:  # it has ended
            pass
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    assert b"max_pause" not in shown
