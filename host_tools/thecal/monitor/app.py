"""The live monitor's screen (Textual). One thread of its own talks to the pump: looks, and what a key asked
for.

Nothing is sent to the pump but questions, until a key was pressed and the question after it answered with
yes. A silent pump is shown and waited out; a port that vanishes ends the monitor with its error as the
result.
"""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Static

from thecal._io import interruption
from thecal.commands.alarms import silence
from thecal.errors import PortError, ThecalError
from thecal.monitor import words
from thecal.monitor.look import Look, Looking
from thecal.monitor.pace import Pace
from thecal.pump import Pump

_LOOK_S = 0.02
_END_S = 2.0
KEYS = "s silence alarms   b patient's bolus   q quit (the pump goes on)"


class Question(ModalScreen[bool]):
    """Yes or no. Only y says yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)"),
        Binding("n,escape,enter,q", "answer(False)"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(f"{self._text}\n\ny yes     n no", id="question", markup=False)

    def action_answer(self, answer: bool) -> None:
        """The key's answer."""
        self.dismiss(answer)


class LiveMonitor(App[ThecalError | None]):
    """The screen. Its result: the error that ended it, or None when it was quit."""

    CSS = """
    Screen { layers: base; overflow: hidden; }
    Static { width: 1fr; height: auto; }
    #head { background: $primary; color: $text; height: 1; padding: 0 1; }
    #state, #windows { height: 10; border: round $primary; padding: 0 1; }
    #alarms { height: 5; border: round $primary; padding: 0 1; }
    #alarms.alarm { border: round $warning; color: $text-warning; }
    #alarms.critical { border: heavy $error; color: $text-error; }
    #events { height: 1fr; padding: 0 1; color: $text-muted; }
    #message { height: 1; padding: 0 1; }
    #message.trouble { background: $error; color: $text; }
    #keys { height: 1; padding: 0 1; background: $panel; }
    #small { display: none; padding: 1; }
    .small #main { display: none; }
    .small #small { display: block; }
    Question { align: center middle; }
    #question { width: 60; height: auto; border: heavy $warning; padding: 1 2; background: $surface; }
    .ascii #state, .ascii #windows, .ascii #alarms, .ascii #question { border: ascii $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "silence"),
        Binding("b", "bolus"),
        Binding("q,ctrl+c", "quit_monitor", priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, pump: Pump, interval_s: float = 1.0, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.animation_level = "none"
        self.last: Look | None = None
        self._looking = Looking(pump)
        self._pace = Pace(pump.client, interval_s)
        self._ascii = ascii_only
        self._jobs: queue.Queue[Callable[[], str] | None] = queue.Queue()
        self.unsaid: str | ThecalError = ""  # what became of a job when there was no screen any more
        self._at_work = False  # a command is on its way, or may be
        self._ended_by: list[signal.Signals] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._talk, name="pump", daemon=True)

    def compose(self) -> ComposeResult:
        with Vertical(id="main"):
            yield Static("asking the pump ...", id="head", markup=False)
            with Horizontal(id="panels"):
                yield Static(id="state", markup=False)
                yield Static(id="windows", markup=False)
            yield Static(id="alarms", markup=False)
            yield Static(id="events", markup=False)
            yield Static(id="message", markup=False)
            yield Static(KEYS, id="keys", markup=False)
        yield Static(id="small", markup=False)

    def on_mount(self) -> None:
        """Begin to talk to the pump."""
        self.screen.set_class(self._ascii, "ascii")
        self.query_one("#panels").styles.height = 10
        loop = asyncio.get_running_loop()
        self._ended_by = interruption.heeded()
        for number in self._ended_by:
            loop.add_signal_handler(number, self._signal, number)
        for name, title in (("state", "pump"), ("windows", "given in the last"), ("alarms", "alarms")):
            self.query_one(f"#{name}").border_title = title
        self._thread.start()

    async def on_unmount(self) -> None:
        """The port is not given back while the other thread uses it; a command is settled first (HOST-11)."""
        self._ending.set()
        self._jobs.put(None)
        patience_s = time.monotonic() + _END_S  # for a look; a command is never left
        while self._thread.is_alive() and (self._at_work or time.monotonic() < patience_s):
            await asyncio.sleep(_LOOK_S)  # a second signal ends the settling
        for number in self._ended_by:
            asyncio.get_running_loop().remove_signal_handler(number)

    def on_resize(self, event: Resize) -> None:
        """A window that is too small says so, instead of showing half of what matters."""
        width, height = event.size
        small = width < words.WIDTH or height < words.HEIGHT
        self.screen_stack[0].set_class(small, "small")
        self.query_one("#small", Static).update(words.too_small(width, height))

    # -- keys

    def action_quit_monitor(self) -> None:
        """End the monitor. The pump goes on."""
        self.exit(None)

    def _signal(self, number: signal.Signals) -> None:
        interruption.note(number)
        self.exit(None)

    def action_silence(self) -> None:
        """Silence the alarms, after a question."""
        if self.last is not None and not self.last.alarms.alarms.standing:
            self._say("no alarm stands, so there is nothing to silence")
            return
        self._ask("Silence the alarms for as long as the pump allows?", self._silence)

    def action_bolus(self) -> None:
        """Ask for the patient's bolus, after a question."""
        question = words.bolus_question(self.last) if self.last else ""
        if not question:
            self._say("the therapy prescribes no patient's bolus")
            return
        self._ask(question, self._bolus)

    def _ask(self, question: str, job: Callable[[], str]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._say("asking the pump ...")
                self._jobs.put(job)
            else:
                self._say("nothing was done")

        self.push_screen(Question(question), answered)

    def _silence(self) -> str:
        return str(silence(self._looking.pump.client)["text"])

    def _bolus(self) -> str:
        self._looking.pump.patient_bolus()
        return "The patient's bolus runs."

    # -- the thread that talks to the pump

    def _talk(self) -> None:
        while not self._ending.is_set():
            try:
                self.call_from_thread(self._show, self._looking.look())
            except PortError as error:
                self.call_from_thread(self.exit, error)
                return
            except ThecalError as error:  # silence, or a refusal: shown, and asked again
                self.call_from_thread(self._trouble, f"{error.message}: this is the last that was heard")
            except RuntimeError:  # the screen is gone
                return
            self._wait()

    def _wait(self) -> None:
        """Until the next look; a job is done at once, and a look follows it."""
        try:
            job = self._jobs.get(timeout=self._pace.wait_s())
        except queue.Empty:
            return
        if job is None:
            return
        said: str | ThecalError
        self._at_work = True
        try:
            said = job()
        except ThecalError as error:
            said = error
        finally:
            self._at_work = False
        try:
            if not self._ending.is_set():
                self.call_from_thread(self._say, str(said))
                return
        except RuntimeError:  # the screen went away in between
            pass
        self.unsaid = said

    # -- showing; while the monitor ends there may be nothing left to show it on

    def _show(self, look: Look) -> None:
        self._put("head", words.head(look))
        self._put("state", "\n".join(words.state_lines(look, self._ascii)))
        self._put("windows", "\n".join(words.window_lines(look, self._ascii)))
        self._put("alarms", "\n".join(words.alarm_lines(look)))
        height = max(1, self.size.height - 18)
        self._put("events", "\n".join(words.event_lines(look, height, max(20, self.size.width - 2))))
        standing = look.alarms.alarms.standing
        for alarms in self._parts("alarms"):
            alarms.set_class(any(one.critical for one in standing), "critical")
            alarms.set_class(bool(standing), "alarm")
        for line in self._parts("message"):
            if line.has_class("trouble"):
                line.remove_class("trouble")
                self._put("message", "")
        self.last = look

    def _say(self, text: str) -> None:
        self._put("message", text)

    def _trouble(self, text: str) -> None:
        self._put("message", text)
        for line in self._parts("message"):
            line.add_class("trouble")

    def _put(self, name: str, text: str) -> None:
        """Only what has changed is drawn anew."""
        shown = words.plain(text, self._ascii)
        for widget in self._parts(name):
            if str(widget.content) != shown:
                widget.update(shown)

    def _parts(self, name: str) -> list[Static]:
        """The part of this name, below any question; none when it is gone."""
        return list(self.screen_stack[0].query(f"#{name}").results(Static)) if self.screen_stack else []
