"""The campaign `faults`: every fault of the bench in every state of the pump, at random times.

A run: a pump is brought into a state (`fault_states`), something breaks (`fault_table`), time passes, it is
mended, time passes. What must hold, judged by the motor's own trace and by the log:

- never more than the therapy allowed over any stretch of time, by more than the fault's stated bound;
- the fault is announced by an alarm within its stated time, and on record;
- the pump is in a state that has a name, and answers;
- therapy goes on by itself after what is benign.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from thecal.campaigns.base import Campaign, Row, Run, Violated
from thecal.campaigns.cut_therapies import US_PER_H, US_PER_MIN, US_PER_S
from thecal.campaigns.dose_bound import worst_excess
from thecal.campaigns.fault_pump import FaultPump, Raised
from thecal.campaigns.fault_states import STATES, Patient
from thecal.campaigns.fault_table import FAULTS, Fault, judged_by_the_sum
from thecal.link.responses.pump import Event
from thecal_protocol.messages import STATES as STATE_NAMES

_FAULTS, _STATES = tuple(FAULTS), tuple(STATES)
CELLS = len(_FAULTS) * len(_STATES)
_NAMED = {name for _, name in STATE_NAMES}
_PIECE_US = 10 * US_PER_MIN


def cell_of(seed: int) -> tuple[str, str]:
    """Which fault and which state: a seed's place in the table of all of them."""
    cell = seed % CELLS
    fault = cell % len(_FAULTS)
    return _FAULTS[fault], _STATES[(cell // len(_FAULTS) + fault) % len(_STATES)]


@dataclass
class _Course:
    """One run as it is judged."""

    run: Run
    fault: Fault
    patient: Patient
    first_record: int = 1
    began_us: int = 0
    flowed: bool = False  # steps were made when it began
    problems: list[str] = field(default_factory=list[str])

    @property
    def pump(self) -> FaultPump:
        return self.patient.pump


def carry_out(run: Run) -> None:
    """One run. Violated: a promise was broken; all of them are named."""
    rng = random.Random(run.seed)
    fault_name, state_name = cell_of(run.seed)
    run.details.update(fault=fault_name, state=state_name)
    run.tell(f"{fault_name} in {state_name}")
    with FaultPump(run.folder, run.seed) as pump:
        course = _Course(run, FAULTS[fault_name], Patient(pump, rng))
        STATES[state_name](course.patient)
        _break(course)
        _watch(course)
        _mend(course)
        _check_excess(course)
    if course.problems:
        raise Violated("; ".join(course.problems))


def _break(course: _Course) -> None:
    client, patient = course.pump.client, course.patient
    client.hello()
    course.first_record = client.status().next_event
    course.began_us = patient.now()
    course.flowed = patient.flows
    course.run.tell(f"{course.began_us / US_PER_S:14.6f} s  breaks; the pump is {client.status().state}")
    course.fault.begin(patient)


def _watch(course: _Course) -> None:
    """Let the time pass in which it must be announced, and some more."""
    fault = course.fault
    due_us = _due_us(course)
    until_us = course.began_us + due_us + fault.watch_s * US_PER_S
    while course.patient.now() < until_us:
        course.pump.let(min(_PIECE_US, until_us - course.patient.now()))
        _check_state(course)
    events = course.pump.events(course.first_record)
    raised = [one for one in course.pump.raised(events) if one.at_us >= course.began_us]
    for one in raised:
        course.run.tell(f"{one.at_us / US_PER_S:14.6f} s  alarm {one.name}")
    _check_announced(course, raised, due_us)
    _check_recorded(course, events)


def _due_us(course: _Course) -> int:
    """Within which time it must be announced: its own, and that of the steps it takes to notice."""
    fault, least = course.fault, course.patient.least
    steps_us = math.ceil(fault.steps / least) if least else 0
    return fault.within_s * US_PER_S + steps_us


def _check_state(course: _Course) -> None:
    status = course.pump.client.status()
    if status.state not in _NAMED:
        course.problems.append(f"the pump is in the state {status.state!r}, which has no name")


def _check_announced(course: _Course, raised: Sequence[Raised], due_us: int) -> None:
    fault = course.fault
    silent = fault.maybe and course.run.details["state"] not in fault.shows_in
    standing = course.pump.standing()
    before = {one.name for one in standing if one.at_us < course.began_us}
    every = sorted([*raised, *standing], key=lambda one: one.at_us)
    named = [one for one in every if one.name in fault.alarms and one.at_us >= course.began_us]
    if named:
        took_us = named[0].at_us - course.began_us
        course.run.details["announced_s"] = math.ceil(took_us / US_PER_S)
        course.run.details["alarm"] = named[0].name
        dormant = fault.flow and not course.flowed
        if took_us > due_us and not silent and not dormant:
            course.problems.append(
                f"{named[0].name} came after {took_us / US_PER_S:.0f} s, not within {due_us / US_PER_S:.0f} s"
            )
    elif fault.alarms and not silent and not before.intersection(fault.alarms):
        if course.flowed or not fault.flow:
            others = ", ".join(one.name for one in raised) or "none"
            course.run.details["missed"] = 1
            course.problems.append(
                f"it was not announced within {due_us // US_PER_S + fault.watch_s} s; alarms: {others}"
            )
    elif not fault.alarms:
        _check_quiet(course, raised)


def _check_quiet(course: _Course, raised: Sequence[Raised]) -> None:
    """What is no fault for the patient raises no alarm of its own."""
    state = course.run.details["state"]
    expected = {"max_pause", "low_reservoir"}
    if state == "alarm_hold":
        expected.add("motor_stall")
    nuisance = sorted({one.name for one in raised} - expected)
    if nuisance and not course.fault.maybe:
        course.problems.append(f"alarms without a cause in {state}: {', '.join(nuisance)}")


def _check_recorded(course: _Course, events: Sequence[Event]) -> None:
    fault = course.fault
    if fault.rots:  # records, too, and with them their numbers
        events = course.pump.events(0)
    kinds = {event.kind for event in events}
    if fault.record and not kinds.intersection(fault.record):
        course.problems.append(f"no record of it: none of {', '.join(fault.record)} is in the log")


def _check_alarm_recorded(course: _Course) -> None:
    """What was announced is on record, at the latest when what was broken has been mended."""
    name = course.run.details.get("alarm")
    records = course.pump.events(0 if course.fault.rots else course.first_record)
    if name and all(one.name != name for one in course.pump.raised(records)):
        course.problems.append(f"{name} was announced and is not on record")


def _mend(course: _Course) -> None:
    """It ends; therapy goes on by itself where it may."""
    fault, patient, pump = course.fault, course.patient, course.pump
    if fault.end is not None:
        fault.end(patient)
    course.run.tell(f"{patient.now() / US_PER_S:14.6f} s  mended; the pump is {pump.client.status().state}")
    pump.let(US_PER_H)
    _check_state(course)
    _check_alarm_recorded(course)
    if not fault.goes_on or not course.flowed or patient.stopped:
        return
    before = pump.truth().steps
    resets = pump.resets
    pump.let(30 * US_PER_MIN)
    status = pump.client.status()
    made = pump.truth().steps - (before if pump.resets == resets else 0)
    least = math.floor(patient.least * 30 * US_PER_MIN)
    if status.state != "infusing":
        standing = ", ".join(alarm.name for alarm in pump.client.alarms().standing)
        course.problems.append(f"therapy does not go on: {status.state} ({standing or 'no alarm'})")
    elif made < least - 1:
        course.problems.append(f"therapy goes on with {made} steps in 30 min, not {least}")


def _check_excess(course: _Course) -> None:
    """Never more than allowed over any stretch of time."""
    run, fault, patient = course.run, course.fault, course.patient
    accounts = course.pump.client.accounts()
    run.steps_accounted = accounts.steps
    times = course.pump.step_times_us()
    line = patient.dose_bound.line()
    bound = fault.bound + (judged_by_the_sum(line) if fault.by_sum else 0)
    if course.pump.resets:
        bound += patient.begun_anew
    run.steps_physical, run.bound = len(times), bound
    worst = worst_excess(times, line, 0)
    excess = max(0, math.floor(worst) - 1) + patient.released_steps
    run.details["excess"] = excess
    if excess > bound:
        course.problems.append(f"{excess} steps more than therapy allowed, {bound} are the bound")
    if accounts.steps < len(times) and not fault.rots:
        course.problems.append(f"under-reported: {accounts.steps} steps on the ledger, {len(times)} made")


def report(rows: Sequence[Row]) -> Iterator[str]:
    """The table: a line a fault, over all states, and the cells that failed or were never tried."""
    heads = ("failed", "missed", "excess", "bound")
    yield f"{'fault':<22} {'runs':>5} {' '.join(f'{head:>6}' for head in heads)} {'announced':>10}"
    for fault in _FAULTS:
        mine = [row for row in rows if row["fault"] == fault]
        if not mine:
            continue
        excess, bound, announced = (_most(mine, name) for name in ("excess", "bound", "announced_s"))
        failed = sum(row["outcome"] != "passed" for row in mine)
        missed = sum(bool(row["missed"]) for row in mine)
        shown = "-" if announced is None else f"{announced} s"
        yield f"{fault:<22} {len(mine):>5} {failed:>6} {missed:>6} {excess!s:>6} {bound!s:>6} {shown:>10}"
    yield f"{len({(row['fault'], row['state']) for row in rows})} of {CELLS} cells (fault x state) tried"


def _most(rows: Sequence[Row], name: str) -> int | None:
    found = [value for row in rows if isinstance(value := row[name], int)]
    return max(found, default=None)


CAMPAIGN = Campaign(
    name="faults",
    title="faults of the bench in every state of the pump",
    unit="runs",
    columns={
        "fault": "text",
        "state": "text",
        "alarm": "text",
        "announced_s": "int",  # from the fault to its alarm
        "excess": "int",  # steps more than allowed over the worst stretch of time
        "missed": "int",  # 1: it was not announced
    },
    carry_out=carry_out,
    cells=CELLS,
    report=report,
)
