"""What ends a process early, and what had been sent by then: SIGINT, SIGTERM, SIGHUP, an output that is gone.

Between a command and its answer a signal is held: `uncertain_delivery` first finds out what became of the
command, then raises `Ended`. Everywhere else it raises at once, so that all that is open is given back. A
signal that is ignored (SIGINT in the background of a script, SIGHUP under nohup) stays ignored.

Imports next to nothing: every start of the command line pays for it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CARRIED_OUT, NOT_CARRIED_OUT, UNKNOWN = "carried_out", "not_carried_out", "unknown"  # "outcome" in documents
LOOK = "look at `thecal status` and `thecal log` before doing it again"


class Ended(KeyboardInterrupt):
    """A signal ended this. `outcome`: of the command that was on its way, NOT_CARRIED_OUT when none was."""

    def __init__(self, number: int, message: str = "", outcome: str = NOT_CARRIED_OUT) -> None:
        super().__init__(message or signal.Signals(number).name)
        self.number = number
        self.outcome = outcome


class Acts:
    """What was sent to pumps while this was kept."""

    def __init__(self) -> None:
        self.begun = False  # a change was looked at, or more
        self.due: list[str] = []  # without which it is not carried out
        self.done: list[str] = []
        self.unknown: list[str] = []
        self.printed = False  # the JSON document

    @property
    def outcome(self) -> str:
        """Of all of it: a part alone is no whole."""
        return UNKNOWN if self.unknown else CARRIED_OUT if self.done and not self.due else NOT_CARRIED_OUT

    def words(self) -> str:
        """What was carried out, what was not, what may have been."""
        parts = [f"{_and(self.done)} carried out"] if self.done else []
        parts += [f"whether {what} was carried out is not known" for what in self.unknown]
        parts += [f"{_and(self.due)} not"] if self.due and parts else []
        return ", and ".join(parts) or "nothing was changed"


class _State:
    """Of this process; signals are the process's, too."""

    def __init__(self) -> None:
        self.came = 0  # signals that are held
        self.holds = 0  # how many hold them
        self.last = 0  # the number of the last signal that came; 0: none
        self.acts: Acts | None = None


_state = _State()


def came() -> int:
    """How many signals are held."""
    return _state.came


def holds() -> bool:
    """Whether signals are held, so that whoever waits has to look for them."""
    return _state.holds > 0


def last() -> str:
    """The name of the last signal that came; "" when none did."""
    return signal.Signals(_state.last).name if _state.last else ""


def note(number: int) -> None:
    """A signal came that whoever talks to a pump has to heed, and that raises nothing: the live monitor's."""
    _state.came += 1
    _state.last = number


def heeded() -> list[signal.Signals]:
    """Those that are not ignored."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def begun() -> None:
    """A change is being looked at."""
    if _state.acts is not None:
        _state.acts.begun = True


def due(what: str) -> None:
    """What is carried out before `what` is but a part: with that alone nobody may think that it is done."""
    if _state.acts is not None:
        _state.acts.due.append(what)


def act(what: str, outcome: str) -> None:
    """A command was sent, with this outcome."""
    acts = _state.acts
    if acts is not None:
        acts.begun = True
        if outcome != NOT_CARRIED_OUT:
            (acts.done if outcome == CARRIED_OUT else acts.unknown).append(what)
            acts.due = [other for other in acts.due if other != what]


def with_outcome(document: dict[str, object]) -> dict[str, object]:
    """The one JSON document of a command; of one that changed something with what became of it."""
    acts = _state.acts
    if acts is None:
        return document
    acts.printed = True
    return {**document, "outcome": acts.outcome} if acts.done or acts.unknown else document


@contextmanager
def recorded() -> Generator[Acts]:
    """Everything that is sent meanwhile, in all threads."""
    before, _state.acts = _state.acts, Acts()
    _state.last = 0
    try:
        yield _state.acts
    finally:
        _state.acts = before


@contextmanager
def unsure(what: str) -> Generator[None]:
    """Meanwhile nobody can say whether `what` was carried out; whatever breaks off here leaves that so."""
    try:
        yield
    except (KeyboardInterrupt, OSError):
        act(what, UNKNOWN)
        raise


@contextmanager
def raising() -> Generator[None]:
    """SIGTERM and SIGHUP end this as Ctrl-C does, by an exception: everything is given back."""
    with _handled(_raise, (signal.SIG_DFL,)):
        yield


@contextmanager
def holding() -> Generator[list[int]]:
    """Signals that would end the process are held; afterwards the list tells which came.

    In a thread beside the main one nothing can be held: there `note` says what came.
    """
    numbers: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        numbers.append(number)
        note(number)

    _state.holds += 1
    try:
        with _handled(hold, (signal.SIG_DFL, signal.default_int_handler, _raise)):
            yield numbers
    finally:
        _state.holds -= 1
        _state.came -= len(numbers)


@contextmanager
def _handled(handler: object, over: tuple[object, ...]) -> Generator[None]:
    """Signals whose handler is one of `over` go to `handler`; nobody else's is touched."""
    before: dict[signal.Signals, object] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                found = signal.getsignal(number)
                if any(found is one for one in over):
                    before[number] = found
                    signal.signal(number, handler)  # type: ignore[arg-type]
        yield
    finally:
        for number, found in before.items():
            signal.signal(number, found)  # type: ignore[arg-type]


def _raise(number: int, frame: FrameType | None) -> None:
    _state.last = number
    raise Ended(number)


def _and(names: list[str]) -> str:
    text = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"{text} {'were' if len(names) > 1 else 'was'}"
