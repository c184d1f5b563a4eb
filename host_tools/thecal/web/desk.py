"""Who holds the pump: one thread, which alone talks to it. It lets time pass, does what the page asks between
two slices of time, and tells `publish` what it sees, ten times a second at most.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from thecal.errors import LinkError, SimulationError, ThecalError
from thecal.simulation.pump import SimulatedPump
from thecal.units.amounts import US_PER_DAY, US_PER_S
from thecal.web.forms import table_of
from thecal.web.live import LONGEST_US, Done, Live
from thecal.web.opening import Opened, opened
from thecal.web.samples import Samples
from thecal.web.view import Document, View

SPEEDS = (1, 10, 60, 600, 3600, 21_600, 86_400, 0)  # times as fast as real; 0: as fast as it goes
LATEST_S = 0.5  # so long at most nothing is heard of the desk
_EVERY_S = 0.1
_SLICE_S = 0.04  # of a computer's time: what is asked waits no longer
_BEHIND_S = 0.3  # so far behind its speed the time begins anew: the computer is too slow for it
_FIRST_SLICE_US = US_PER_S
_LEAST_SLICE_US = 10_000
_NEXT_SLICE_US = 600 * US_PER_S  # on the way to the next event: it stops so soon after one
_SEARCHED_US = 366 * US_PER_DAY
_SPEED_OVER_S = 1.0

Publish = Callable[[Document], None]
Values = Mapping[str, Any]


class Desk:
    """The pump of `thecal web`, or the place where one can be started."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._jobs: queue.Queue[tuple[Callable[[], Document], Future[Document]] | None] = queue.Queue()
        self._closing = contextlib.ExitStack()  # the pump that runs, and its folder
        self._live: Live | None = None
        self._view: View | None = None
        self._run: Document | None = None  # what stays the same while one pump runs
        self._said = ""
        self._went: Document = {}  # the last that was seen of a pump that ended
        self._samples = Samples()
        self._running = self._to_next = False
        self._speed = 0  # index of SPEEDS
        self._slice_us = _FIRST_SLICE_US
        self._anchor = (0.0, 0)  # real s, pump's us
        self._pace = (0.0, 0, 0.0)  # since when, from where, how fast it was then
        self._published_s = 0.0
        self._newest = 0
        self._searched_from_us = 0
        self._thread = threading.Thread(target=self._work, name="pump", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """End the pump, if one runs, and the thread."""
        self._jobs.put(None)
        self._thread.join()

    def ask(self, what: str, values: Values) -> Future[Document]:
        """Have something done, by its name. The future's error: it was not, and nothing was."""
        done: Future[Document] = Future()
        action = self._actions().get(what)
        if action is None:
            done.set_exception(ThecalError("the page asked for what there is not", "reload the page"))
            return done
        self._jobs.put((lambda: action(values), done))
        return done

    def _actions(self) -> dict[str, Callable[[Values], Document]]:
        return {
            "start": self._start,
            "end_pump": self._end_pump,
            "go": self._go,
            "pause": self._pause,
            "speed": self._set_speed,
            "next": self._go_to_next,
            "event": self._event,
            "press": self._press,
            "end": self._end,
            "power": self._power,
            "saved": self._saved,
        }

    # -- the thread

    def _work(self) -> None:
        try:
            while True:
                job = self._next_job()
                if job is None:
                    return
                if job is not _NOTHING:
                    self._carry_out(*job)
                elif self._running:
                    self._pass_time()
                if time.monotonic() - self._published_s >= (_EVERY_S if self._running else LATEST_S):
                    self._tell()
        finally:
            self._closing.close()

    def _next_job(self) -> Any:
        """None: it is over. _NOTHING: nothing was asked by when time has to pass again."""
        try:
            return self._jobs.get(timeout=self._wait_s())
        except queue.Empty:
            return _NOTHING

    def _wait_s(self) -> float:
        if not self._running:
            return LATEST_S / 2
        speed = SPEEDS[self._speed]
        if self._to_next or speed == 0:
            return 0.0
        live = self._need_live()
        began_s, from_us = self._anchor
        due_s = began_s + (live.now_us - from_us) / (speed * US_PER_S) + _EVERY_S
        return max(0.0, due_s - time.monotonic())

    def _carry_out(self, action: Callable[[], Document], done: Future[Document]) -> None:
        try:
            answer = action()
        except ThecalError as error:
            self._check_life()
            self._tell()
            done.set_exception(error)
        else:
            self._tell()
            done.set_result(answer)

    def _check_life(self) -> None:
        """Whether the pump is still there after something went wrong with it."""
        live = self._live
        if live is not None and not live.pump.off and not live.pump.lives:
            self._died("the emulated pump has ended")

    def _pass_time(self) -> None:
        live = self._need_live()
        speed = SPEEDS[self._speed]
        began_s, from_us = self._anchor
        now_s = time.monotonic()
        slice_us = self._slice_us
        if self._to_next:
            slice_us = min(slice_us, _NEXT_SLICE_US, self._until_change_us())
        elif speed:
            owed_us = from_us + int((now_s - began_s) * speed * US_PER_S) - live.now_us
            slice_us = min(slice_us, max(1, owed_us))
            if owed_us > slice_us + _BEHIND_S * speed * US_PER_S:
                self._anchor = (now_s, live.now_us)
        try:
            happened = live.pass_to(live.now_us + max(1, slice_us))
        except LinkError as error:
            self._said = f"{error.message}: time went on"
            happened = False
        except SimulationError as error:
            self._died(error.message)
            return
        took_s = time.monotonic() - now_s
        if slice_us == self._slice_us and took_s < _SLICE_S / 2:
            self._slice_us *= 2
        elif took_s > _SLICE_S * 1.5:
            self._slice_us = max(_LEAST_SLICE_US, self._slice_us // 2)
        if happened:
            self._tell()
        if self._to_next:
            self._look_for_next(happened)
        if live.now_us >= LONGEST_US:
            self._halt("a hundred years are over")

    def _until_change_us(self) -> int:
        """Of the basal rate, or whatever else the pump has scheduled."""
        view = self._view
        seconds = view.look.snapshot.status.next_change_s if view else None
        return seconds * US_PER_S if seconds else _NEXT_SLICE_US

    def _look_for_next(self, happened: bool) -> None:
        live, view = self._need_live(), self._view
        if view is None:
            return
        newest = view.newest()
        if not live.pump.off and not happened:
            self._take()
            newest = view.newest()
        if happened or newest > self._newest:
            self._halt("")
        elif live.now_us - self._searched_from_us > _SEARCHED_US:
            self._halt("nothing happened in a year")

    def _halt(self, said: str) -> None:
        self._running = self._to_next = False
        self._said = said or self._said
        self._tell()

    def _died(self, why: str) -> None:
        """The pump has gone; what was seen of it stays on the page."""
        self._went = {"ended": f"{why}. What you see is the last that was known; you can start another pump."}
        self._running = self._to_next = False
        self._closing.close()
        self._closing = contextlib.ExitStack()
        self._live = self._view = None

    # -- what is seen

    def _take(self) -> Document:
        view = self._view
        if view is None:
            return {}
        seen = view.take()
        if self._running or len(self._samples.rows) == 0 or seen.get("at"):
            self._samples.add(view.sample() if seen.get("drawing") else [])
        return seen

    def _tell(self) -> None:
        self._published_s = time.monotonic()
        seen: Document = {}
        try:
            seen = self._take()
        except LinkError as error:
            self._said = error.message
        except SimulationError as error:
            self._died(error.message)
        clock = {
            "running": self._running,
            "to_next": self._to_next,
            "speed": self._speed,
            "pace": self._measured_pace(),
        }
        document = {"run": self._run, "said": self._said, "ended": "", **self._went, "clock": clock, **seen}
        self._publish({**document, "samples": self._samples})

    def _measured_pace(self) -> int:
        """How many times as fast as real it really is."""
        live = self._live
        if live is None or not self._running:
            self._pace = (0.0, 0, 0.0)
            return 0
        now_s = time.monotonic()
        since_s, from_us, pace = self._pace
        if not since_s:
            self._pace = (now_s, live.now_us, 0.0)
        elif now_s - since_s > _SPEED_OVER_S:
            pace = (live.now_us - from_us) / US_PER_S / (now_s - since_s)
            self._pace = (now_s, live.now_us, pace)
        return round(self._pace[2])

    # -- what can be asked for

    def _need_live(self) -> Live:
        if self._live is None:
            raise ThecalError("no pump runs here", "start one first")
        return self._live

    def _start(self, values: Values) -> Document:
        """Another pump, in the place of the one that runs; nothing happens to that one before all that is
        asked for has been checked."""
        fresh = contextlib.ExitStack()
        try:
            folder = Path(fresh.enter_context(tempfile.TemporaryDirectory(prefix="thecal-web-")))
            begin = opened(
                folder,
                values.get("files", {}),
                str(values.get("example", "")),
                start=str(values.get("start", "")),
                seed=_seed_of(values.get("seed", "")),
            )
            pump = fresh.enter_context(SimulatedPump(seed=begin.seed))
            live = Live(pump, begin)
            live.begin()
            view = View(live)
        except BaseException:
            fresh.close()
            raise
        self._closing.close()
        self._closing = fresh
        self._live, self._view, self._went = live, view, {}
        self._samples = Samples()
        self._running = self._to_next = False
        self._slice_us = _FIRST_SLICE_US
        self._said = ""
        self._run = _about(begin, view, pump.onlooker.hello().serial)
        self._tell()
        return {"said": f"{begin.therapy.name}: the pump runs, and its time stands still"}

    def _end_pump(self, values: Values) -> Document:
        self._need_live()
        self._closing.close()
        self._closing = contextlib.ExitStack()
        self._live = self._view = self._run = None
        self._running = self._to_next = False
        self._samples = Samples()
        return {"said": "the pump has ended"}

    def _go(self, values: Values) -> Document:
        live = self._need_live()
        self._running, self._to_next = True, False
        self._anchor = (time.monotonic(), live.now_us)
        return {"said": "time passes"}

    def _pause(self, values: Values) -> Document:
        self._need_live()
        self._running = self._to_next = False
        return {"said": "time stands still"}

    def _set_speed(self, values: Values) -> Document:
        index = values.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(SPEEDS):
            raise ThecalError("there is no such speed", f"choose one of {len(SPEEDS)}")
        self._speed = index
        if self._live is not None:
            self._anchor = (time.monotonic(), self._live.now_us)
        return {"said": ""}

    def _go_to_next(self, values: Values) -> Document:
        live, view = self._need_live(), self._view
        self._newest = view.newest() if view else 0
        self._searched_from_us = live.now_us
        self._running = self._to_next = True
        return {"said": "time passes until something happens"}

    def _event(self, values: Values) -> Document:
        table = table_of(values.get("kind"), values.get("name"), values.get("values"))
        return self._told(self._need_live().act(table))

    def _press(self, values: Values) -> Document:
        return self._told(self._need_live().act({"inject": "press_button"}))

    def _end(self, values: Values) -> Document:
        number = values.get("number")
        done = self._need_live().end(number if isinstance(number, int) else 0)
        return {"said": f"the {done.what.replace('_', ' ')} is over"}

    def _power(self, values: Values) -> Document:
        live = self._need_live()
        on = values.get("on") is True
        if on != live.pump.off:
            raise ThecalError(f"the power is {'on' if on else 'off'} already", "look at the pump")
        if not on:
            return self._told(live.act({"inject": "power_cut"}))
        cut = live.power_cut
        if cut is None:
            raise ThecalError("the power is on already", "look at the pump")
        live.end(cut.number)
        return {"said": "the power is back, and the pump has booted"}

    def _told(self, done: Done) -> Document:
        if done.refused:
            return {"said": done.refused, "refused": True}
        return {"said": f"{done.what.replace('_', ' ')}: done, and written down"}

    def _saved(self, values: Values) -> Document:
        return {"files": self._need_live().files()}


_NOTHING = object()


def _seed_of(value: object) -> int:
    text = str(value).strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise ThecalError(f"{text[:40]!r} is no seed", "write a whole number, or leave it empty")
    return int(text or 1)


def _about(begin: Opened, view: View, serial: str) -> Document:
    therapy = begin.therapy.model
    return {
        "therapy": begin.therapy.name,
        "file": begin.name,
        "serial": serial,
        "drugs": [drug.name for drug in therapy.drugs],
        "columns": view.columns(),
        "therapies": begin.therapies(),
        "scenario": begin.scenario,
        "planned": len(begin.events),
        "start": f"{begin.start:%a %Y-%m-%d %H:%M}",
        "seed": begin.seed,
    }
