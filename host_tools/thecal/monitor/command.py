"""`thecal monitor`: the pump live. On a terminal a screen (`monitor.app`), elsewhere a line per look."""

from __future__ import annotations

import os
import sys
import time
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal._io import terminal
from thecal._io.wrapped import Unparted
from thecal.commands.status import Snapshot
from thecal.monitor.pace import Pace
from thecal.pump import Pump
from thecal.units.amounts import volume_text

if TYPE_CHECKING:
    from rich.panel import Panel
    from rich.text import Text

_BAR = 24  # characters
_LOW = Fraction(1, 10)


class Monitor:
    """Looks at one pump again and again over one client."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._port = pump.port
        self._client = pump.client
        self._hello = pump.hello
        self._last: Snapshot | None = None

    def look(self) -> Snapshot:
        """The pump now."""
        self._last = Snapshot.take(self._port, self._client, self._hello, self._last)
        return self._last

    def show_once(self, *, line: bool = False, ascii_only: bool = False) -> None:
        """One look, printed; `line`: as one line."""
        if line:
            print(self.look().line())
            return
        terminal.console().print(self._panel(self.look(), ascii_only=ascii_only))

    def run(self, interval_s: float, *, lines: bool = False, ascii_only: bool = False) -> None:
        """Until Ctrl-C or q. PortError when the port vanishes. On a terminal the live screen, else, and with
        `lines`, a line per look."""
        try:
            if sys.stdout.isatty() and not lines and os.environ.get("TERM") != "dumb":
                self._run_live(interval_s, ascii_only)
            else:
                pace = Pace(self._client, interval_s)
                while True:
                    print(self.look().line(), flush=True)
                    time.sleep(pace.wait_s())
        except KeyboardInterrupt:
            return

    def _run_live(self, interval_s: float, ascii_only: bool) -> None:
        from thecal.link.session import CommandOutcome
        from thecal.link.uncertain_delivery import Unanswered
        from thecal.monitor.app import LiveMonitor
        from thecal.monitor.words import speaks_utf8

        app = LiveMonitor(self._pump, interval_s, ascii_only=ascii_only or not speaks_utf8())
        error = app.run()
        if error is not None:
            raise error
        if isinstance(app.unsaid, Unanswered) and app.unsaid.outcome is CommandOutcome.UNKNOWN:
            raise app.unsaid
        if app.unsaid:
            print(app.unsaid, file=sys.stderr)

    def _panel(self, snapshot: Snapshot, *, ascii_only: bool) -> Panel:
        from rich.box import ASCII, ROUNDED
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        for name, text in snapshot.rows():
            style = ""
            if name == "state" and snapshot.status.state != "infusing":
                style = "bold yellow"
            if name == "alarms" and snapshot.status.alarms:
                style = "bold red"
            table.add_row(name, self._reservoir(snapshot) if name == "reservoir" else Unparted(text, style))
        box = ASCII if ascii_only else ROUNDED
        return Panel(table, title=Text(f"thecal on {self._port}"), width=78, box=box)

    def _reservoir(self, snapshot: Snapshot) -> Text:
        from rich.text import Text

        left_pl = snapshot.status.reservoir_pl
        full_pl = snapshot.program["reservoir_pl"] if snapshot.program else 0
        if not full_pl:
            return Text(volume_text(left_pl))
        share = min(Fraction(1), Fraction(left_pl, full_pl))
        filled = round(share * _BAR)
        colour = "red" if share < _LOW else "green"
        bar = Text("#" * filled, style=colour) + Text("." * (_BAR - filled), style="dim")
        return bar + Text(f"  {volume_text(left_pl)} of {volume_text(full_pl)}")
