"""`thecal mri before` and `after`: what a magnetic field did to delivery, and how it goes on.

`before` changes nothing in the pump. `after` waits until the motor is seen to move, shows what was missed,
and does what a person chooses. It orders no bolus: it names the command (MOT-09).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from thecal.commands import going_on, mri
from thecal.commands.log import Selection
from thecal.commands.mri import Noted
from thecal.commands.status import Snapshot
from thecal.errors import Refused, ThecalError
from thecal.link.responses.pump import Event
from thecal.link.uncertain_delivery import before_commit
from thecal.pump import Pump
from thecal.report.course import course_since
from thecal.report.record import Record
from thecal.therapy.settings_diff import from_wire
from thecal.units.amounts import (
    PL_PER_ML,
    dose_rate_text,
    mass_text,
    span_text,
    volume_rate_text,
    volume_text,
)
from thecal.units.json_numbers import SCHEMA, exact, nl
from thecal.workflows.prompts import Prompter

MOVES, STANDS, NO_STEPS, NO_FEEDBACK = "moves", "stands", "no_steps", "no_feedback"
RESUME, STOP, BOLUS = "resume", "stop", "bolus"
THEN = (RESUME, STOP, BOLUS)
_SEEN_STEPS = 4  # in a row, as the pump wants to see them before a stall is over
_LOOK_EVERY_S = 2.0
_NEWEST = 200  # records that are looked through where nobody noted from which on
_ASKED = {
    RESUME: "Resume, and close the MRI?",
    STOP: "Stay stopped, and close the MRI?",
    BOLUS: "Close the MRI, and order the bolus yourself?",
}


def _pause() -> None:
    time.sleep(_LOOK_EVERY_S)


def note_before(pump: Pump) -> tuple[Noted, Noted | None]:
    """What the pump is before an MRI, kept; and the one that was open still. ThecalError: it cannot be."""
    seen = pump.status()
    if seen.program is None:
        raise ThecalError("the pump has no program, so an MRI disturbs no therapy", "nothing was noted")
    status = seen.status
    doc = seen.as_json()
    noted = Noted(
        serial=pump.serial,
        at=mri.now_text(),
        local_time=seen.local.isoformat(timespec="seconds"),
        pump_us=status.now.total_us,
        next_event=status.next_event,
        state=status.state,
        therapy=seen.therapy,
        program_digest=status.program_digest.hex(),
        settings={setting.field: setting.text for setting in from_wire(dict(seen.program))},
        rate_pl_per_day=status.rate_pl_per_day,
        basal_ng_per_day=status.basal_ng_per_day,
        next_change_s=status.next_change_s,
        reservoir_pl=status.reservoir_pl,
        steps=status.steps,
        missed_pl=status.missed_pl,
        delivered_ng={name: exact(ng) for name, ng in seen.delivered_ng.items()},
        missed_ng=doc["missed_ng"],  # pyright: ignore[reportArgumentType]
        alarms=[one.name for one in seen.alarms.standing],
    )
    try:
        older = mri.open_of(pump.serial)
    except ThecalError:
        older = None  # it is replaced by a whole one
    mri.keep(noted)
    return noted, older


def before_words(noted: Noted, older: Noted | None) -> Iterator[str]:
    """For whoever brings the patient to the scanner."""
    yield f"Noted before an MRI, {_when(noted)}. Nothing was changed in the pump."
    if older is not None:
        yield f"An MRI of {_when(older)} was open still: this takes its place."
    yield f"  state      {noted.state}, {noted.therapy}"
    rate = volume_rate_text(noted.rate_pl_per_day)
    yield f"  plan       {dose_rate_text(noted.basal_ng_per_day)} now, {rate}"
    yield f"  reservoir  {volume_text(noted.reservoir_pl)}"
    if noted.missed_pl is None:
        yield "  motor      the board has no feedback of it: nobody will see whether it stood"
    else:
        yield f"  missed     {volume_text(noted.missed_pl)} until now"
    yield f"  alarms     {', '.join(noted.alarms) or 'none'}"
    yield (
        "In the field the motor may stand: then motor_stall sounds, a critical alarm as ever, and what is "
        "missed is not made up for. To stop delivery for it: thecal stop. Afterwards: thecal mri after."
    )


def _when(noted: Noted) -> str:
    return f"{datetime.fromisoformat(noted.local_time):%a %Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Found:
    """What an MRI left. `noted` None: nobody noted anything before, so there is nothing to count from."""

    noted: Noted | None
    seen: Snapshot
    motor: str
    stalls: list[tuple[datetime, datetime | None]]
    missed_pl: int | None
    missed_ng: dict[str, Fraction]
    due_ng: dict[str, Fraction] | None  # by the program since then; None: it cannot be told
    given_ng: dict[str, Fraction]  # counted since then, less what was missed
    left_out: int  # boluses that fell into it

    @classmethod
    def look(cls, pump: Pump, noted: Noted | None, motor: str) -> Found:
        """Ask the pump."""
        seen = pump.status()
        events = _events(pump, noted)
        missed = dict(seen.missed_ng or {})
        given = {name: ng - missed.get(name, 0) for name, ng in seen.delivered_ng.items()}
        missed_pl = seen.status.missed_pl
        if noted is not None:
            before, lost = noted.doses("delivered_ng"), noted.doses("missed_ng")
            given = {x: ng - (before.get(x, 0) - lost.get(x, 0)) for x, ng in given.items()}
            missed = {x: ng - lost.get(x, 0) for x, ng in missed.items()}
            if missed_pl is not None and noted.missed_pl is not None:
                missed_pl -= noted.missed_pl
        left_out = sum(event.kind == "bolus_left_out" for event in events)
        due = _due(seen, noted, events)
        return cls(noted, seen, motor, _stalls(seen, events), missed_pl, missed, due, given, left_out)

    def words(self) -> Iterator[str]:
        """For people, before they choose."""
        status = self.seen.status
        if self.noted is None:
            yield (
                "Nobody noted this pump before an MRI (thecal mri before): what follows counts from its "
                "first program on."
            )
        else:
            gone_s = (status.now.total_us - self.noted.pump_us) // 10**6
            yield f"MRI noted {_when(self.noted)}, {span_text(max(0, gone_s))} ago."
        yield f"  motor      {self._motor_text()}"
        if status.missed_pl is None:
            yield "  missed     not known: the board has no feedback of its motor"
        else:
            doses = _doses_text({name: ng for name, ng in self.missed_ng.items() if ng})
            yield f"  missed     {volume_text(self.missed_pl or 0)} driven and not seen to move{doses}"
        for name, due in (self.due_ng or {}).items():
            given = self.given_ng.get(name, Fraction(0))
            short = due - given
            yield (
                f"  by plan    {mass_text(due)} of {name} were due, {mass_text(given)} given: "
                f"{mass_text(abs(short))} {'less' if short >= 0 else 'more'}"
            )
        if self.left_out:
            yield f"  boluses    {self.left_out} of the program left out"
        before = f" ({self.noted.state} before)" if self.noted else ""
        yield f"  state      {status.state}{before}; {going_on.words(status.state, self.seen.stop_left_s)}"
        if self.noted and self.noted.program_digest != status.program_digest.hex():
            yield f"  program    another since then: {self.seen.therapy_text()}, {self.noted.therapy} before"
        was = f", {volume_text(self.noted.reservoir_pl)} before" if self.noted else ""
        yield f"  reservoir  {volume_text(status.reservoir_pl)} by count{was}"
        yield f"  alarms     {self.seen.alarms_text()}"

    def _motor_text(self) -> str:
        stood = ", ".join(
            f"{since:%H:%M:%S} to {until:%H:%M:%S}" if until else f"since {since:%a %H:%M:%S}"
            for since, until in self.stalls
        )
        ends = {
            MOVES: "it moves" if not stood else f"it moves again; it stood {stood}",
            STANDS: f"NOT SEEN TO MOVE, it stands {stood or 'still'}",
            NO_STEPS: f"no steps are driven, so nobody sees it{f'; it stood {stood}' if stood else ''}",
            NO_FEEDBACK: "the board has no feedback of it: nobody sees whether it moves",
        }
        return ends[self.motor]

    def as_json(self) -> dict[str, object]:
        """The document, but for what was chosen."""
        due, status = self.due_ng, self.seen.status
        short = {x: ng - self.given_ng.get(x, Fraction(0)) for x, ng in (due or {}).items()}
        return {
            "schema": SCHEMA,
            "serial": self.seen.hello.serial,
            "noted": None if self.noted is None else self.noted.local_time,
            "motor": self.motor,
            "stalls": [
                {"since": since.isoformat(), "until": until.isoformat() if until else None}
                for since, until in self.stalls
            ],
            "missed_nl": None if self.missed_pl is None else nl(self.missed_pl),
            "missed_ng": None if status.missed_pl is None else _exact(self.missed_ng),
            "due_ng": None if due is None else _exact(due),
            "given_ng": _exact(self.given_ng),
            "short_ng": None if due is None else _exact(short),
            "boluses_left_out": self.left_out,
            "state": status.state,
            "reservoir_nl": nl(status.reservoir_pl),
        }


def _exact(doses: dict[str, Fraction]) -> dict[str, str]:
    """In ng; what has no finite decimal in whole ng."""
    from thecal.units.amounts import exact_or_whole

    return {name: exact_or_whole(ng) for name, ng in doses.items()}


def _doses_text(doses: dict[str, Fraction]) -> str:
    shown = ", ".join(f"{mass_text(ng)} {name}" for name, ng in doses.items())
    return f" ({shown})" if shown else ""


def _events(pump: Pump, noted: Noted | None) -> list[Event]:
    try:
        if noted is not None:
            return pump.client.events(noted.next_event)
        return Selection(count=_NEWEST).read(pump.client)
    except Refused:  # a role that reads no log
        return []


def _stalls(seen: Snapshot, events: list[Event]) -> list[tuple[datetime, datetime | None]]:
    found: list[tuple[datetime, datetime | None]] = []
    for event in events:
        ago = timedelta(microseconds=seen.status.now.total_us - event.at.total_us)
        at = (seen.local - ago).replace(microsecond=0)
        if event.kind == "motor_stalled":
            found.append((at, None))
        elif event.kind == "motor_recovered" and found:
            found[-1] = (found[-1][0], at)
    return found


def _due(seen: Snapshot, noted: Noted | None, events: list[Event]) -> dict[str, Fraction] | None:
    """What the program called for since then, every drug. None: another program began meanwhile."""
    status = seen.status
    if noted is None or seen.program is None or noted.program_digest != status.program_digest.hex():
        return None
    record = Record(
        "",
        events,
        state=status.state,
        local=seen.local,
        now_us=status.now.total_us,
        program=dict(seen.program),
    )
    # a pump that is stopped has none now
    basal = status.basal_ng_per_day or noted.basal_ng_per_day or seen.program["basal_dose_ng_per_day"]
    course = course_since(record, noted.pump_us, basal)
    if course is None or course.start_us > noted.pump_us:
        return None
    (begun, programmed), _ = course.volumes([noted.pump_us, status.now.total_us], exact=True)
    pl = Fraction(programmed - begun)
    return {x["name"]: pl * x["concentration_ng_per_ml"] / PL_PER_ML for x in seen.program["drugs"]}


def await_motor(pump: Pump, noted: Noted | None, wait_s: float) -> str:
    """Until the motor is seen to move, but no longer than that."""
    client = pump.client
    status = client.status()
    if status.missed_pl is None:
        return NO_FEEDBACK
    if not status.rate_pl_per_day:
        return NO_STEPS
    if not _stalls_now(pump) and noted is not None and noted.missed_pl == status.missed_pl:
        return MOVES
    if not _stalls_now(pump) and noted is None:
        return MOVES
    print("Waiting until the motor is seen to move ...", file=sys.stderr)
    until, row, last = time.monotonic() + wait_s, 0, status
    while True:
        status = client.status()
        row = 0 if status.missed_pl != last.missed_pl else row + status.steps - last.steps
        if row >= _SEEN_STEPS and not _stalls_now(pump):
            return MOVES
        if time.monotonic() >= until:
            return STANDS
        last = status
        _pause()


def _stalls_now(pump: Pump) -> bool:
    return any(one.name == mri.STALL and one.live for one in pump.client.alarms().standing)


def after(
    pump: Pump, prompter: Prompter, then: str, *, yes: bool, wait_s: float, show: bool
) -> dict[str, object]:
    """Look, let a person choose, do it, close what was noted: the document. ThecalError: not done."""
    from thecal._io.wrapped import say

    noted, lost = _noted(pump.serial)
    motor = before_commit("the look at the motor", lambda: await_motor(pump, noted, wait_s))
    found = before_commit("the look at the pump", lambda: Found.look(pump, noted, motor))
    if show:
        say(*([lost] if lost else []), *found.words())
    if motor == STANDS:
        raise ThecalError(
            "the motor was not seen to move: nothing was changed, and the MRI stays open",
            "is the patient out of the field? See `thecal alarms`, then say `thecal mri after` again; if it "
            "stays, see to the drug by other means",
        )
    chosen = then or _choose(prompter, found)
    prompter.confirm(_ASKED[chosen], "--yes", yes or not then)
    text = _carry_out(pump, found, chosen)
    done = {**found.as_json(), "chosen": chosen, "state": pump.state, "text": text}
    if noted is not None:
        mri.keep(noted._replace(after=done | {"at": mri.now_text()}))
    return done


def _noted(serial: str) -> tuple[Noted | None, str]:
    """What is open, and in words what is wrong with it."""
    try:
        return mri.open_of(serial), ""
    except ThecalError as error:
        return None, f"{error.message}."


def _choose(prompter: Prompter, found: Found) -> str:
    stopped = found.seen.status.state == "stopped"
    options = [
        ("r", "resume" if stopped else "go on as it does"),
        ("s", "stay stopped" if stopped else "stop delivery"),
        ("b", "a bolus: which command orders it"),
    ]
    key = prompter.choice("How shall it go on?", options, "--then resume, --then stop or --then bolus")
    return {"r": RESUME, "s": STOP, "b": BOLUS}[key]


def _carry_out(pump: Pump, found: Found, chosen: str) -> str:
    """Do it; what was done."""
    state = found.seen.status.state
    if chosen == BOLUS:
        first = " (thecal resume comes first: a stopped pump gives none)" if state == "stopped" else ""
        command = f"thecal bolus --dose DOSE --duration DURATION --port {pump.port}"
        return f"Nothing was ordered. A bolus: {command}{first}"
    if chosen == RESUME and state == "stopped":
        pump.resume()
    elif chosen == STOP and state != "stopped":
        pump.stop()
    return f"The pump is {pump.state}."
