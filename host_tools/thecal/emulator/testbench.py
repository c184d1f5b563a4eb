"""The bench of an emulated pump: let time pass, ask what physically happened, inject faults.

One JSON document a line to the pump process's stdin, one answer a line from its stdout
(docs/reference/boards-unix.md). Made by `emulator.Emulator`. Every call has a deadline and notices at once
when the pump process dies.
"""

import contextlib
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, Literal, cast

from thecal._io.arguments import checked_wide
from thecal.emulator.last_words import died
from thecal.emulator.truth import Truth
from thecal.errors import SimulationError, WrongArgument

CutWhen = Literal["before", "torn", "after"]
CUT_EXIT = 75  # the exit code with which the pump process ends at a power cut
RESET_EXIT = 76  # and when its watchdog bites or it starts anew by itself
_USAGE_EXIT = 2  # and of one that was started wrongly
_USAGE = "board: "  # how its last line begins then

_GLANCE_S = 1.0
_ANSWER_S = 20.0  # a pump that is silent for so long hangs
_CHUNK_WALL_S = 0.1  # an advance is asked for in parts that take about this long
_FIRST_CHUNK_US = 1_000_000
_LAST_WORDS_BYTES = 4000
_LAST_WORDS_S = 2.0


class PowerCut(SimulationError):
    """The pump process ended because its power was cut. Its flash is as it was at that instant."""


class PumpReset(SimulationError):
    """The pump was reset by its watchdog, or by itself: its process has ended. `Emulator.restart_after`
    boots it again, as the chip would by itself.

    `executed` and `latch` are what the chip's memory keeps over such a reset, `world` (opaque) what goes on
    without the pump: reservoir, battery, sensors, conditions of the bench, mark and trace.
    """

    def __init__(self, last_words: dict[str, object]) -> None:
        super().__init__(f"the emulated pump was reset: {last_words.get('reset')}", "start it again")
        self.cause = str(last_words["reset"])  # "watchdog" or "software"
        self.now_us = _whole(last_words, "now_us")
        self.executed = _whole(last_words, "executed")
        self.latch = _whole(last_words, "latch")
        self.world = last_words["world"]


@checked_wide
class Bench:
    """Typed requests to the bench of one pump process. SimulationError: refused, or the pump died."""

    def __init__(self, process: "subprocess.Popen[bytes]", last_words: IO[bytes]) -> None:
        self._asking = threading.Lock()
        self.attach(process, last_words)

    def attach(self, process: "subprocess.Popen[bytes]", last_words: IO[bytes]) -> None:
        """Ask this process from now on: the pump's next life."""
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        self._process = process
        self._stdin = process.stdin.fileno()
        self._stdout = self.fileno = process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._last_words = last_words
        self._received = b""
        self._reset: dict[str, object] | None = None  # the last words of a pump that was reset
        self._end: SimulationError | None = None
        self._owed = 0  # answers that have not come yet

    def stands_still(self) -> bool:
        """Whether the pump has done all there was to do at this instant: only then is its bench answered, and
        only after the bytes that wait on its line. False at once while another thread lets time pass. True
        when the pump ended or hangs: who asks the bench next is told why."""
        if self._asking.locked():
            return False
        with contextlib.suppress(SimulationError):
            self.now(_GLANCE_S)
        return True

    def now(self, timeout_s: float = _ANSWER_S) -> int:
        """Microseconds since boot."""
        return self._instant({"do": "now"}, timeout_s)

    def serial_number(self, timeout_s: float = _ANSWER_S) -> str:
        """The pump's own."""
        return str(self._ask({"do": "about"}, timeout_s)["serial_number"])

    def advance_to(
        self,
        to_us: int,
        *,
        locked: bool = False,
        progress: Callable[[int], None] | None = None,
        timeout_s: float = _ANSWER_S,
    ) -> int:
        """Let time pass until `to_us`; everything due by then has been done when this returns.

        Returns the instant reached: `to_us` exactly, or later on a clock that does not stand still.

        `locked`: the pump may not allocate memory meanwhile; it dies with MemoryError where it does.
        `progress`: called with the instant reached, about ten times a second.
        `timeout_s`: the longest silence of the pump, not the longest advance.
        """
        now_us = self.now(timeout_s)
        chunk_us = _FIRST_CHUNK_US
        while True:
            part_us = min(to_us, now_us + chunk_us)
            began_s = time.monotonic()
            now_us = self._instant({"do": "advance", "to_us": part_us, "locked": locked}, timeout_s)
            took_s = time.monotonic() - began_s
            if progress is not None:
                progress(now_us)
            if now_us >= to_us:
                return now_us
            if took_s < _CHUNK_WALL_S:
                chunk_us *= 4
            elif took_s > 4 * _CHUNK_WALL_S:
                chunk_us = max(1, chunk_us // 4)

    def advance_by(
        self, duration_us: int, *, locked: bool = False, progress: Callable[[int], None] | None = None
    ) -> int:
        """Let `duration_us` pass; returns the instant reached."""
        return self.advance_to(self.now() + duration_us, locked=locked, progress=progress)

    def truth(self, *, collect: bool = True) -> Truth:
        """What physically happened up to this instant. Without `collect` garbage counts as live: quicker."""
        answer = self._ask({"do": "truth", "collect": collect})
        values: dict[str, Any] = {field.name: _whole(answer, field.name) for field in fields(Truth)}
        return Truth(**values)

    def mark(self, at_us: int | None = None) -> int:
        """This instant becomes time zero of traces and of `steps_since_mark`; returns it.

        `at_us`: another time zero for traces, such as one before a power cut; steps still count from now.
        """
        return self._instant({"do": "mark"} if at_us is None else {"do": "mark", "at_us": at_us})

    def trace(self, path: Path | None, *, append: bool = False) -> None:
        """Record every physical step from now on in a new file; None: complete the file and close it.

        `append`: go on at the end of an old file, as after a power cut.
        """
        file = None if path is None else str(Path(path).absolute())
        self._ask({"do": "trace", "path": file, "append": append})

    def set_step_volume(self, picolitres: int) -> None:
        """What a step displaces, for `reservoir_pl`."""
        self._ask({"do": "set", "step_volume_pl": picolitres})

    def fill(self, picolitres: int) -> None:
        """The reservoir holds this much now."""
        self._ask({"do": "set", "fill_pl": picolitres})

    def motor_stall(self, for_us: int) -> None:
        """Every step due in the next `for_us` is driven but not made."""
        self.inject_raw("motor_stall", for_us=for_us)

    def over_delivery(self, num: int, den: int) -> None:
        """Every step displaces num / den of its volume from now on."""
        self.inject_raw("over_delivery", num=num, den=den)

    def link_noise(self, one_in: int) -> None:
        """One bit in `one_in` flips on the serial line, both ways; 0: none."""
        self.inject_raw("link_noise", one_in=one_in)

    def occlusion(self, where: str = "downstream", *, for_us: int | None = None, ends: bool = False) -> None:
        """The catheter ("downstream") or the inlet ("upstream") is blocked, or (`ends`) free again."""
        self._last("occlusion", for_us, ends, where=where)

    def temperature(self, millicelsius: int, *, for_us: int | None = None) -> None:
        """The pump is this warm."""
        self._last("temperature", for_us, False, millicelsius=millicelsius)

    def battery_level(self, percent: int) -> None:
        """The battery has so much charge left, and is drawn down from there."""
        self.inject_raw("battery_level", percent=percent)

    def pressure(self, which: str, pa: int, *, for_us: int | None = None) -> None:
        """The sensor "upstream" or "downstream" measures this pressure."""
        self._last("pressure", for_us, False, which=which, pa=pa)

    def sensor(self, how: str, which: str, *, for_us: int | None = None, ends: bool = False) -> None:
        """A sensor is "stuck", "missing" or makes "noise" (ten times the normal one)."""
        self._last(f"sensor_{how}", for_us, ends, which=which)

    def document(self, name: str) -> bytes | None:
        """A document of the pump's store, as whoever has its flash in hand reads it; None: there is none."""
        data = self._ask({"do": "document", "name": name}).get("hex")
        return bytes.fromhex(data) if isinstance(data, str) else None

    def press_button(self) -> None:
        """The pump's button is pressed."""
        self.inject_raw("press_button")

    def buzzer_broken(self, *, for_us: int | None = None, ends: bool = False) -> None:
        """The buzzer makes no sound."""
        self._last("buzzer_broken", for_us, ends)

    def _last(self, what: str, for_us: int | None, ends: bool, **values: int | str) -> None:
        if for_us is not None:
            values["for_us"] = for_us
        if ends:
            values["ends"] = True
        self.inject_raw(what, **values)

    def power_cut_at_flash_operation(self, number: int, when: CutWhen = "torn", seed: int = 0) -> None:
        """Cut the power before, in the middle of or after the number-th program or erase from now (1: the
        next). `seed` chooses what a torn one leaves."""
        self.inject_raw("power_cut", at_operation=number, when=when, seed=seed)

    def flash_stuck_bit(self, offset: int, bit: int, value: int) -> None:
        """This bit of the flash reads as `value` from now on."""
        self.inject_raw("flash_stuck", offset=offset, bit=bit, value=value)

    def flash_worn_block(self, block: int, *, fails: bool) -> None:
        """Erasing this block does nothing from now on, or (`fails`) is reported as failed."""
        self.inject_raw("flash_worn", block=block, fails=fails)

    def flash_fails(self, fails: bool = True) -> None:
        """Every program and erase of the flash fails from now on, or (False) works again."""
        self.inject_raw("flash_fails", fails=fails)

    def flash_log(self, path: Path | None) -> None:
        """Write down every program and erase from now on in a new file; None: close it."""
        self._ask({"do": "flash_log", "path": None if path is None else str(Path(path).absolute())})

    def flash_wear(self) -> list[int]:
        """How often each block of the flash was erased since boot."""
        erases = self._ask({"do": "flash_wear"}).get("erases")
        if not isinstance(erases, list):
            raise SimulationError(
                "the bench's answer lacks 'erases'", "firmware and host tools differ in version"
            )
        return cast("list[int]", erases)

    def power_cut(self, *, conditions: bool = False) -> object:
        """Cut the power now. Returns when the process is gone, with what is left of the world without it
        (`Emulator.restart`). `conditions`: what was injected, and still lasts, is left too."""
        answer = self._ask({"do": "inject", "what": "power_cut", "conditions": conditions})
        self._process.wait(_ANSWER_S)
        return answer["world"]

    def inject_raw(self, what: str, **values: int | str) -> None:
        """Any fault, by name, in the units of the wire."""
        self._ask({"do": "inject", "what": what, **values})

    def quit(self, timeout_s: float = 2.0) -> None:
        """Complete the trace and end the pump process."""
        self._ask({"do": "quit"}, timeout_s)

    def request(self, line: bytes, timeout_s: float = _ANSWER_S) -> dict[str, object]:
        """Send one line as it is; returns the answer, also a refusal."""
        if self._end is not None:
            raise self._end
        with self._asking:
            deadline_s = time.monotonic() + timeout_s
            try:
                os.write(self._stdin, line + b"\n")
            except OSError:
                raise self._died() from None
            self._owed += 1
            while True:  # first the answers that were waited for in vain
                answer = self._answer(deadline_s, timeout_s)
                self._owed -= 1
                if self._owed == 0:
                    return answer

    @property
    def has_spoken(self) -> bool:
        """Has such a word been read already, together with an answer, or told to somebody else?"""
        return b"\n" in self._received or self._end is not None

    def how_it_ended(self) -> SimulationError:
        """What ended the pump, once it has: a PowerCut or another reason. Asked again, the same."""
        if self._end is not None:
            return self._end
        try:
            self._answer(time.monotonic() + _ANSWER_S, _ANSWER_S)
        except SimulationError as error:
            return error
        return SimulationError("the emulated pump spoke without being asked")

    def _ask(self, document: dict[str, object], timeout_s: float = _ANSWER_S) -> dict[str, object]:
        try:
            line = json.dumps(document).encode()
        except (TypeError, ValueError) as error:
            raise WrongArgument(
                f"the bench cannot be told of {document['do']!r}: {error}", "give numbers and texts"
            ) from None
        answer = self.request(line, timeout_s)
        if answer.get("ok") is not True:
            raise SimulationError(f"the bench refused {document['do']!r}: {answer.get('error')}")
        return answer

    def _instant(self, document: dict[str, object], timeout_s: float = _ANSWER_S) -> int:
        return _whole(self._ask(document, timeout_s), "now_us")

    def _answer(self, deadline_s: float, timeout_s: float) -> dict[str, object]:
        while b"\n" not in self._received:
            if not self._receive(deadline_s):
                raise SimulationError(
                    f"the emulated pump has not answered its bench for {timeout_s:g} s", "its firmware hangs"
                )
        line, _, rest = self._received.partition(b"\n")
        answer = _object_in(line)
        if answer is None:
            while self._receive(
                time.monotonic() + _LAST_WORDS_S
            ):  # MicroPython reports what ended it on stdout
                pass
            raise SimulationError(f"the bench answered {line[:60]!r}", "nothing else may print to its stdout")
        self._received = rest
        if "ended" in answer:  # one of many lives in one process (boards/unix/testbench/multi_boot.py)
            self._end = _ended(answer["ended"])
            raise self._end
        if "reset" in answer:
            self._process.wait(_ANSWER_S)
            self._reset = answer
            raise PumpReset(answer)
        return answer

    def _receive(self, deadline_s: float) -> bool:
        """Add what comes to `_received`; False when nothing came in time."""
        if not self._poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
            return False
        data = os.read(self._stdout, 65536)
        if not data:
            raise self._died()
        self._received += data
        return True

    def _died(self) -> SimulationError:
        """What to tell when the process is gone: its exit code and its last words."""
        while data := os.read(self._stdout, 65536):
            self._received += data
        try:
            code = self._process.wait(_ANSWER_S)
        except subprocess.TimeoutExpired:
            return SimulationError("the emulated pump has closed its bench but still runs")
        if code == CUT_EXIT:
            return _ended(code)
        if code == RESET_EXIT:
            self._reset = self._reset or _object_in(self._received.rpartition(b"\n")[0].rpartition(b"\n")[2])
            if self._reset is not None:
                return PumpReset(self._reset)
        text = self._received.decode(errors="replace") + _end_of(self._last_words)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if code == _USAGE_EXIT and lines and lines[-1].startswith(_USAGE):
            return SimulationError(lines[-1].removeprefix(_USAGE))
        why = ""
        if lines:
            where = [line for line in lines[:-1] if line.startswith("File")]
            why = f": {lines[-1]}" + (f" ({where[-1]})" if where else "")
        error = died(lines, f"the emulated pump ended by itself, exit code {code}{why}")
        if text:
            error.add_note(text)
        return error


def _ended(code: object) -> SimulationError:
    cut = PowerCut("the power of the emulated pump was cut", "start it again on the same flash")
    return cut if code == CUT_EXIT else SimulationError(f"the emulated pump ended, exit code {code}")


def _object_in(line: bytes) -> dict[str, object] | None:
    """The JSON object in a line; None when it is something else."""
    try:
        answer: object = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, object]", answer) if isinstance(answer, dict) else None


def _end_of(stderr: IO[bytes]) -> str:
    stderr.flush()
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _LAST_WORDS_BYTES))
    return stderr.read().decode(errors="replace")


def _whole(answer: dict[str, object], name: str) -> int:
    value = answer.get(name)
    if not isinstance(value, int):
        raise SimulationError(f"its bench's answer lacks {name!r}", "firmware and host differ in version")
    return value
