"""A pump at one instant: everything that `thecal status` and `thecal monitor` show, as text and as JSON.

Imports nothing heavy: `thecal status` answers within 0.3 s, the start of Python included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from thecal import local_time
from thecal.amounts import (
    US_PER_S,
    dose_rate_text,
    duration_text,
    mass_text,
    volume_rate_text,
    volume_text,
)
from thecal.answers import Accounts, Hello, Status
from thecal.client import Client
from thecal.ledger import Ledger
from thecal.report_json import SCHEMA, exact, nl


@dataclass(frozen=True)
class Snapshot:
    """What the pump said of itself. `therapy`: its name, None when there is none."""

    port: str
    hello: Hello
    status: Status
    accounts: Accounts
    therapy: str | None

    @classmethod
    def take(cls, port: str, client: Client, hello: Hello, therapy: str | None = None) -> Snapshot:
        """Ask the pump. `therapy`: its name, when that is known already."""
        status = client.status()
        if therapy is None and status.program_digest:
            program = client.running_program()
            therapy = str(program["name"]) if program else None
        return cls(port, hello, status, client.accounts(), therapy)

    @property
    def local(self) -> datetime:
        """The pump's local time."""
        return local_time.from_wire(self.status.local_day, self.status.local_s, self.status.local_us)

    @property
    def delivered_ng(self) -> dict[str, Fraction]:
        """What each drug's dose came to, as the pump counted it."""
        ledger = Ledger()
        ledger.take(self.accounts)
        return ledger.delivered_ng

    def next_change_text(self) -> str:
        """When the rate changes next by schedule."""
        seconds = self.status.next_change_s
        return "none scheduled" if seconds is None else f"in {span_text(seconds)}"

    def bolus_text(self) -> str:
        """The running bolus."""
        status = self.status
        if status.bolus is None:
            return "none"
        given, left = volume_text(status.bolus_given_pl), span_text(status.bolus_left_us // US_PER_S)
        return f"{status.bolus.replace('_', ' ')}: {given} given, {left} left"

    def rows(self) -> list[tuple[str, str]]:
        """The whole of it in words."""
        status = self.status
        delivered = ", ".join(f"{mass_text(ng)} {name}" for name, ng in self.delivered_ng.items())
        return [
            ("pump", f"{self.hello.serial} ({self.hello.model}, firmware {self.hello.firmware})"),
            ("state", status.state),
            ("local time", f"{self.local:%a %Y-%m-%d %H:%M:%S}"),
            ("therapy", self.therapy or "none"),
            ("rate", volume_rate_text(status.rate_pl_per_day)),
            ("basal dose", dose_rate_text(status.basal_ng_per_day)),
            ("next change", self.next_change_text()),
            ("bolus", self.bolus_text()),
            ("delivered", delivered or "nothing"),
            ("motor steps", f"{status.steps:,}".replace(",", " ")),
            ("reservoir", volume_text(status.reservoir_pl)),
            ("alarms", str(status.alarms) if status.alarms else "none"),
        ]

    def line(self) -> str:
        """The essence in one line."""
        status = self.status
        delivered = " ".join(f"{name} {mass_text(ng)}" for name, ng in self.delivered_ng.items())
        rate = volume_rate_text(status.rate_pl_per_day)
        return (
            f"{self.local:%Y-%m-%d %H:%M:%S}  {status.state}  rate {rate}  "
            f"delivered {delivered or 'nothing'}  reservoir {volume_text(status.reservoir_pl)}  "
            f"next change {self.next_change_text()}  bolus {self.bolus_text()}"
        )

    def as_json(self) -> dict[str, object]:
        """The document of `thecal status --json`."""
        status, hello = self.status, self.hello
        bolus = None
        if status.bolus is not None:
            given, left_us = nl(status.bolus_given_pl), status.bolus_left_us
            bolus = {"kind": status.bolus.removesuffix("_bolus"), "given_nl": given, "left_us": left_us}
        return {
            "schema": SCHEMA,
            "port": self.port,
            "serial": hello.serial,
            "model": hello.model,
            "firmware": hello.firmware,
            "state": status.state,
            "now_s": status.now.s,
            "local_time": self.local.isoformat(),
            "therapy": self.therapy,
            "program_digest": status.program_digest.hex(),
            "steps": status.steps,
            "delivered_ng": {name: exact(ng) for name, ng in self.delivered_ng.items()},
            "by_source_nl": {name: nl(pl) for name, pl in self.accounts.volume_pl_by_source.items()},
            "reservoir_nl": nl(status.reservoir_pl),
            "rate_nl_per_day": nl(status.rate_pl_per_day),
            "basal_ng_per_day": str(status.basal_ng_per_day),
            "next_change_s": status.next_change_s,
            "bolus": bolus,
            "alarms": status.alarms,
            "next_event": status.next_event,
            "heap_free": status.heap_free,
        }


def span_text(seconds: int) -> str:
    """A span for people: "2 d 3 h", "4 h 10 min", "50 s"."""
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min")]
    shown = [f"{number} {unit}" for number, unit in parts if number][:2]
    return " ".join(shown) or duration_text(seconds * US_PER_S)
