"""What the page shows of a pump at one instant, as one document in words and plain numbers: the pump's own
account, by an onlooker that it does not notice, and beside it what physically happened.

Every part is small, and only those that changed are sent (`server`). Text from files and pumps is text: made
visible here (SEC-20), put into the page as such there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from thecal._io.shown import shown_all
from thecal.emulator.injections import OcclusionEvent
from thecal.emulator.truth import Truth
from thecal.eventlog.text import details, instant_text
from thecal.link.responses.pump import Accounts
from thecal.monitor.look import Look, Looking, Window
from thecal.monitor.words import is_told
from thecal.pump import Pump
from thecal.simulation.scenario.models import ProgramEvent, RefillEvent
from thecal.therapy.dose_math import dead_volume_pl
from thecal.units.amounts import (
    PL_PER_ML,
    US_PER_DAY,
    count_text,
    duration_text,
    fixed_text,
    mass_text,
    span_text,
    volume_text,
)
from thecal.web.fluid import Fluid
from thecal.web.live import Done, Live

_LINES = 120  # of the log
_STEPS_OF_A_RATE = 20
_RATE_OVER_US = 120_000_000  # at most, where less flows
_NG_PER_MG = 10**6
_SMALL_NG = 10**6  # a day's dose below it is shown in micrograms
STEPS_A_TURN = 200  # of the motor that is drawn
Document = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """In what a drug's doses are drawn."""

    name: str
    ng: int


class View:
    """Looks at one live pump again and again."""

    def __init__(self, live: Live) -> None:
        self._live = live
        pump = live.pump
        self._looking = Looking(Pump(pump.port, client=pump.onlooker))
        self._fluid = Fluid(0)
        self._truth: Truth | None = None
        self._course: deque[tuple[int, int]] = deque()  # (instant, what had gone into the catheter) of late
        self._step_pl = live.opened.therapy.model.pump.step_volume_pl
        self.look = self._looking.look()
        self._limits = [(window.drug, window.hours) for window in self.look.windows if window.limit_ng]
        therapy = live.opened.therapy.model
        self.drugs = [drug.name for drug in therapy.drugs]
        self.units = [self._unit(index) for index in range(len(self.drugs))]

    def _unit(self, index: int) -> Unit:
        therapy = self._live.opened.therapy.model
        primary, drug = therapy.drugs[0], therapy.drugs[index]
        basal_ng = therapy.basal.dose_ng_per_day or max(
            (x.dose_ng_per_day for x in therapy.basal.steps), default=0
        )
        day_ng = basal_ng * drug.concentration_ng_per_ml // primary.concentration_ng_per_ml
        return Unit("mcg", 1000) if day_ng < _SMALL_NG else Unit("mg", _NG_PER_MG)

    def columns(self) -> list[dict[str, Any]]:
        """The series of the charts: each sample has the time in hours, then one number for each of these."""
        first = self.units[0].name
        named = [(name, unit.name) for name, unit in zip(self.drugs, self.units, strict=True)]
        return [
            _column("rate", f"{self.drugs[0]}, as the pump says", f"{first}/day"),
            _column("rate", f"{self.drugs[0]}, as it flowed", f"{first}/day"),
            *(_column("dose", f"{name}, as the pump counts", unit) for name, unit in named),
            *(_column("dose", f"{name}, as it flowed", unit) for name, unit in named),
            *(_column("tip", f"{name}, as the pump counts", unit) for name, unit in named),
            *(_column("tip", f"{name}, as it flowed", unit) for name, unit in named),
            *(_column("windows", f"{name}, {hours} h", "% of its limit") for name, hours in self._limits),
            _column("reservoir", "as the pump counts", "mL"),
            _column("reservoir", "as it is", "mL"),
        ]

    def take(self) -> Document:
        """Look; the document. SimulationError: the pump died."""
        live = self._live
        pump = live.pump
        document: Document = {
            "power": not pump.off,
            "hangs": pump.hangs,
            "at": {"us": live.now_us, "text": duration_words(live.now_us)},
            "stands": [_standing(done) for done in live.done if done.stands(live.now_us)],
            "record": {"count": len(live.done), "lines": live.events_text().splitlines()},
            "next": _next_text(live),
        }
        if pump.off:
            return shown_all(document)
        pump.come_back()
        truth = pump.truth()
        accounts = pump.accounts()
        live.run.ledger.take(accounts)
        look = self.look = self._looking.look()
        self._note_fluid(accounts, truth)
        document |= {
            "rows": look.snapshot.rows(),
            "state": look.snapshot.status.state,
            "local": f"{look.snapshot.local:%a %Y-%m-%d %H:%M:%S}",
            "beside": self._beside(truth, accounts, look),
            "drawing": self._drawing(truth, look),
            "alarms": _alarms(look),
            "windows": [_window(window) for window in look.windows],
            "log": [_line(event) for event in look.events if is_told(event)][-_LINES:][::-1],
        }
        self._truth = truth
        return shown_all(document)

    def newest(self) -> int:
        """The number of the newest record of the log that is told."""
        return max((event.sequence for event in self.look.events if is_told(event)), default=0)

    def sample(self) -> list[float | None]:
        """A row for the charts, of what was taken last."""
        look, truth = self.look, self._truth
        if truth is None:
            return []
        ledger = self._live.run.ledger
        status = look.snapshot.status
        concentration = self._concentration(look)
        flowed = self._flowed(truth)
        first = self.units[0].ng
        shares = {(x.drug, x.hours): 100 * x.given_ng / x.limit_ng for x in look.windows if x.limit_ng}
        pumped, tip = self._fluid.pumped_ng(truth.left_pl), self._fluid.tip_ng(truth.left_pl)
        named = list(zip(self.drugs, self.units, strict=True))
        row = [
            self._live.now_us / 3.6e9,
            status.rate_pl_per_day * concentration / PL_PER_ML / first,
            None if flowed is None else flowed * concentration / PL_PER_ML / first,
            *(float(ledger.delivered_ng.get(name, 0)) / unit.ng for name, unit in named),
            *(float(pumped.get(name, 0)) / unit.ng for name, unit in named),
            *(float(ledger.tip_ng.get(name, 0)) / unit.ng for name, unit in named),
            *(float(tip.get(name, 0)) / unit.ng for name, unit in named),
            *(shares.get(window) for window in self._limits),
            status.reservoir_pl / PL_PER_ML,
            truth.reservoir_pl / PL_PER_ML,
        ]
        return [None if x is None else float(f"{x:.7g}") for x in row]

    def _flowed(self, truth: Truth) -> float | None:
        """pL a day that went into the catheter lately: over some twenty steps, for steps are what flows."""
        now = (self._live.now_us, truth.left_pl)
        course = self._course
        if not course or course[-1][0] < now[0]:
            course.append(now)
        least_pl = _STEPS_OF_A_RATE * self._step_pl
        while len(course) > 2 and (
            now[1] - course[1][1] >= least_pl or now[0] - course[1][0] > _RATE_OVER_US
        ):
            course.popleft()
        from_us, from_pl = course[0]
        return None if from_us == now[0] else (now[1] - from_pl) * US_PER_DAY / (now[0] - from_us)

    def _concentration(self, look: Look) -> int:
        return int(look.program["drugs"][0]["concentration_ng_per_ml"]) if look.program else 0

    def _note_fluid(self, accounts: Accounts, truth: Truth) -> None:
        programmed = (
            done.event.therapy
            for done in self._live.done
            if isinstance(done.event, ProgramEvent | RefillEvent) and not done.refused
        )
        therapies = [self._live.opened.therapy, *(therapy for therapy in programmed if therapy)]
        self._fluid.dead_pl = dead_volume_pl(therapies[-1].model.catheter)
        self._fluid.note(accounts, truth.left_pl)

    def _beside(self, truth: Truth, accounts: Accounts, look: Look) -> list[list[str]]:
        """What is, what the pump says of it, and whether that is the same."""
        ledger, status = self._live.run.ledger, look.snapshot.status
        made = truth.steps_since_mark
        step_pl = accounts.step_volume_pl
        rows = [
            _pair("motor steps", made, ledger.accounted_steps, count_text, 0),
            _pair("went into the catheter", truth.left_pl, ledger.volume_pl, _volume, step_pl),
            _pair("in the reservoir", truth.reservoir_pl, status.reservoir_pl, _volume, step_pl),
        ]
        pumped, tip = self._fluid.pumped_ng(truth.left_pl), self._fluid.tip_ng(truth.left_pl)
        for name, ng in ledger.delivered_ng.items():
            step_ng = Fraction(step_pl * self._concentration(look), PL_PER_ML)
            rows.append(_pair(f"{name} given", pumped.get(name, Fraction(0)), ng, _mass, step_ng))
            rows.append(
                _pair(
                    f"{name} out of the tip", tip.get(name, Fraction(0)), ledger.tip_ng[name], _mass, step_ng
                )
            )
        missed = status.missed_pl
        rows.append(
            [
                "driven in vain",
                f"{count_text(truth.lost_steps)} steps",
                "it cannot see" if missed is None else volume_text(missed),
                "",
            ]
        )
        return rows

    def _drawing(self, truth: Truth, look: Look) -> Document:
        full_pl = self._live.opened.therapy.model.pump.reservoir_pl
        return {
            "level": min(1.0, truth.reservoir_pl / full_pl) if full_pl else 0.0,
            "reservoir": _volume(truth.reservoir_pl),
            "steps": truth.steps_since_mark,
            "turn": truth.steps_since_mark % STEPS_A_TURN * 360 / STEPS_A_TURN,
            "parts": [
                [number, round(float(a), 5), round(float(b), 5)]
                for number, a, b in self._fluid.parts(truth.left_pl)
            ],
            "enabled": truth.enabled,
            "sounds": truth.buzzer,
            "plays": truth.buzzer_plays,
            "light": truth.led,
            "charge": f"{fixed_text(Fraction(truth.charge_permille, 10), 1)} %",
            "blocked": self._blocked(),
        }

    def _blocked(self) -> list[str]:
        """Where the way of the fluid is: "upstream", "downstream"."""
        standing = (done.event for done in self._live.done if done.stands(self._live.now_us))
        return sorted({event.where for event in standing if isinstance(event, OcclusionEvent)})


def duration_words(us: int) -> str:
    """The time since the therapy began: "3 d 04:05:06.7"."""
    tenths = us // 100_000
    days, rest = divmod(tenths, 864_000)
    return f"{days} d {rest // 36_000:02}:{rest // 600 % 60:02}:{rest // 10 % 60:02}.{rest % 10}"


def _column(chart: str, name: str, unit: str) -> dict[str, Any]:
    return {"chart": chart, "name": name, "unit": unit}


def _volume(pl: int) -> str:
    return f"{fixed_text(Fraction(pl, PL_PER_ML), 6)} mL"


def _mass(ng: Fraction | int) -> str:
    return mass_text(round(ng))


def _pair(name: str, true: Any, said: Any, text: Any, least: Any) -> list[str]:
    """`least`: so much is the rounding of one step."""
    differs = said - true
    if abs(differs) <= least:
        return [name, text(true), text(said), "the same"]
    more = "more" if differs > 0 else "less"
    return [name, text(true), text(said), f"the pump counts {text(abs(differs))} {more}"]


def _standing(done: Done) -> Document:
    since = duration_words(done.event.at_us)
    return {"number": done.number, "name": done.what.replace("_", " "), "since": since}


def _next_text(live: Live) -> str:
    if live.next_us is None:
        return "nothing of a scenario is to come"
    return f"of the scenario: in {duration_text(live.next_us - live.now_us)}"


def _alarms(look: Look) -> list[Document]:
    view = look.alarms
    return [
        {
            "name": one.name.replace("_", " "),
            "critical": one.critical,
            "live": one.live,
            "announced": one.name == view.alarms.announced,
            "age": span_text(view.age_us(one.raised) // 10**6),
            "cause": entry["cause"],
            "do": entry["do"],
        }
        for one in view.alarms.standing
        for entry in [view.entry(one)]
    ]


def _window(window: Window) -> Document:
    given = mass_text(round(window.given_ng))
    return {
        "drug": window.drug,
        "hours": window.hours,
        "given": given if window.whole else f"more than {given}",
        "limit": mass_text(window.limit_ng) if window.limit_ng else "no limit",
        "share": round(100 * window.given_ng / window.limit_ng, 1) if window.limit_ng else None,
    }


def _line(event: Any) -> list[str]:
    return [
        str(event.sequence),
        instant_text(event.at),
        event.kind.replace("_", " "),
        event.actor,
        details(event),
    ]
