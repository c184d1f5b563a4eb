"""A day that uses everything a pump can do, as commands at their instants; and how to play it on a pump.

The power-cut tests play it once, write down what the flash did, and judge every cut by what had been
answered by then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.dosing import rig
from support.pressing import presser
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.link.proposals import refill_values
from thecal_protocol.messages import CANCEL_PLAN, PROPOSAL_REFILL, SKIP_BRIDGE

MINUTE_S = 60
HOUR_S = 3600
US = 1_000_000
END_S = 24 * HOUR_S
STEP_PL = 2500
PATIENT_NG = 100_000
PATIENT_US = 300_000_000
LOCKOUT_S = 2 * HOUR_S

_PATIENT = {
    "dose_ng": PATIENT_NG,
    "duration_us": PATIENT_US,
    "lockout_us": LOCKOUT_S * US,
    "max_per_24h": 6,
}
_FLEX = [
    {"start_min": 0, "days": 127, "dose_ng_per_day": 2_400_000},
    {"start_min": 8 * 60 + 1, "days": 127, "dose_ng_per_day": 3_100_003},
    {"start_min": 10 * 60, "days": 127, "dose_ng_per_day": 1_999_993},
    {"start_min": 22 * 60, "days": 127, "dose_ng_per_day": 3_600_000},
]
_NEW_DRUG = [
    {"name": "morphine", "concentration_ng_per_ml": 25_000_000, "max_dose_24h_ng": 0, "max_dose_1h_ng": 0}
]


def _periodic(dose_ng: int, every_s: int, first_s: int) -> dict[str, int]:
    return {
        "dose_ng": dose_ng,
        "duration_us": 240_000_000,
        "every_us": every_s * US,
        "first_us": first_s * US,
    }


def therapy(**changes: Any) -> dict[str, Any]:
    """One with a patient bolus and a short catheter, so that primes and bridges are over in good time."""
    short = {"pump_tubing_pl": 20_000_000, "catheter_length_um": 300_000, "catheter_pl_per_cm": 1_000_000}
    return rig.therapy(**{**short, "patient_bolus": [_PATIENT], **changes})


CONSTANT = therapy(name="constant", periodic_boluses=[_periodic(20_000, 5 * HOUR_S, 1800)])
FLEX = therapy(
    name="flex",
    basal_mode=2,
    basal_dose_ng_per_day=0,
    basal_steps=_FLEX,
    periodic_boluses=[_periodic(20_000, 3 * HOUR_S, 1800), _periodic(30_011, 2 * HOUR_S, 2000)],
)
BRIDGED = therapy(
    name="bridge",
    drugs=_NEW_DRUG,
    bridge=[{"dose_ng_per_day": 12_000_000, "concentration_ng_per_ml": 20_000_000}],
)
PLAN = therapy(
    name="plan",
    drugs=_NEW_DRUG,
    plan=[{"after_us": k * HOUR_S * US, "dose_ng_per_day": 2_400_000 - k * 200_000} for k in (1, 2, 3, 4, 5)],
)
# 4 mg/mL: the highest rate, 24 mL/day, is 96 mg/day, a step of 2.5 nL every 9 ms
DRUG = [{"name": "morphine", "concentration_ng_per_ml": 4_000_000, "max_dose_24h_ng": 0, "max_dose_1h_ng": 0}]
HIGHEST = therapy(name="highest", drugs=DRUG, basal_dose_ng_per_day=95_999_993, patient_bolus=[])
LAST = therapy(name="last", drugs=_NEW_DRUG, basal_mode=3, basal_dose_ng_per_day=0)


@dataclass(frozen=True)
class Act:
    """One command. `flows`: what it makes of the flow (None: as it was); `after_s`: a stop that ends by
    itself; `most_steps`: what a bolus gives that a reset may leave out, while it lasts (`lasts_s`);
    `refill_pl`: what a refill filled in."""

    at_s: int
    name: str
    do: Callable[[Client], object]
    program: dict[str, Any] | None = None
    flows: bool | None = None
    after_s: int | None = None
    most_steps: int = 0
    lasts_s: int = 0
    refill_pl: int | None = None


def _commit(client: Client, proposal: Any) -> None:
    client.commit(proposal.digest)


def _program(at_s: int, values: dict[str, Any]) -> Act:
    name = f"program {values['name']}"
    return Act(at_s, name, lambda c: _commit(c, c.propose_program(values)), program=values, flows=True)


def _refill(at_s: int, volume_pl: int) -> Act:
    values = refill_values(volume_pl, volume_pl - 1_000_000_000, lot=f"L{volume_pl // 1_000_000_000}")

    def do(client: Client) -> None:
        _commit(client, client.propose(PROPOSAL_REFILL, values))

    return Act(at_s, "refill", do, refill_pl=volume_pl)


def _refill_and_program(at_s: int, volume_pl: int, program: dict[str, Any]) -> Act:
    values = refill_values(volume_pl, volume_pl - 1_000_000_000, lot=f"L{volume_pl // 1_000_000_000}")
    return Act(
        at_s,
        "refill and program",
        lambda c: _commit(c, c.propose_refill_and_program(values, program)),
        program=program,
        flows=True,
        refill_pl=volume_pl,
    )


def _bolus(at_s: int, dose_ng: int, duration_s: int, *, extended: bool = False) -> Act:
    return Act(
        at_s,
        "extended bolus" if extended else "clinician bolus",
        lambda c: _commit(c, c.propose_bolus(dose_ng, duration_s * US, extended=extended)),
        most_steps=steps_of(dose_ng),
        lasts_s=duration_s + PATIENT_US // US,
    )


def _patient(at_s: int) -> Act:
    steps = steps_of(PATIENT_NG)
    return Act(at_s, "patient bolus", lambda c: c.patient_bolus(), most_steps=steps, lasts_s=PATIENT_US // US)


def steps_of(dose_ng: int) -> int:
    """The most steps that a dose of the weaker filling takes."""
    return dose_ng * 1_000_000_000 // (20_000_000 * STEP_PL) + 1


def _stop(at_s: int, after_s: int = 0) -> Act:
    def do(client: Client) -> None:
        client.stop(resume_after_s=after_s)

    return Act(at_s, "stop", do, flows=False, after_s=after_s or None)


def _resume(at_s: int) -> Act:
    return Act(at_s, "resume", lambda c: c.resume(), flows=True)


def _hm(hours: int, minutes: int = 0) -> int:
    return hours * HOUR_S + minutes * MINUTE_S


DAY = [
    Act(0, "clock", lambda c: _commit(c, c.propose_clock(9500, 6 * HOUR_S, 0))),
    _program(0, CONSTANT),
    _bolus(_hm(1), 200_000, 600),
    _patient(_hm(2)),
    _bolus(_hm(3), 100_000, 600),
    _stop(_hm(3, 3)),
    _resume(_hm(3, 40)),
    _bolus(_hm(4), 300_000, 3600, extended=True),
    _patient(_hm(4, 10)),
    _stop(_hm(5, 30), 1200),
    _program(_hm(6), FLEX),
    Act(_hm(7), "clock forward", lambda c: _commit(c, c.propose_clock_offset(3600 * US))),
    _patient(_hm(8, 1)),
    Act(_hm(9), "implant flag", lambda c: c.set_implant_flag()),
    Act(
        _hm(9, 1),
        "prime",
        lambda c: _commit(c, c.propose_prime(dry=False)),
        most_steps=12_001,
        lasts_s=120,
    ),
    Act(_hm(10), "clock back", lambda c: _commit(c, c.propose_clock_offset(-1800 * US))),
    _refill_and_program(_hm(11, 1), 40_000_000_000, BRIDGED),
    _stop(_hm(11, 31)),
    _resume(_hm(11, 51)),
    Act(_hm(12, 20), "skip bridge", lambda c: c.request(SKIP_BRIDGE)),
    _patient(_hm(13, 30)),
    _program(_hm(14), PLAN),
    _stop(_hm(15, 30), 900),
    Act(_hm(18), "cancel plan", lambda c: c.request(CANCEL_PLAN)),
    _refill(_hm(19), 30_000_000_000),
    _program(_hm(20), FLEX | {"drugs": _NEW_DRUG, "name": "flex again"}),
    _patient(_hm(22, 30)),
    _stop(_hm(22, 32)),
    _resume(_hm(22, 50)),
    _program(_hm(23), LAST),
]


@dataclass(frozen=True)
class Played:
    """What one command did to the flash: it was answered after operation `last_op`, begun after
    `first_op`."""

    act: Act
    first_op: int
    last_op: int


@contextmanager
def pump_at_day(flash: Path, trace: Path | None = None, /, **settings: int | str) -> Iterator[Emulator]:
    """A pump on this flash file; its trace, when asked for, counts from boot."""
    with Emulator(flash=flash, settings={"seed": 7, **settings}) as pump:
        pump.bench.set_step_volume(STEP_PL)
        if trace:
            pump.bench.mark(0)
            pump.bench.trace(trace)
        yield pump
        if trace:
            pump.bench.trace(None)


def operations(pump: Emulator) -> int:
    """Programs and erases of its flash since boot."""
    truth = pump.bench.truth()
    return truth.flash_programs + truth.flash_erases


def play(pump: Emulator, acts: list[Act], end_s: int) -> list[Played]:
    """Give the commands at their instants and let time pass until the end."""
    played: list[Played] = []
    with Client.connect(pump.port) as client:
        client.button = presser(pump)
        for act in acts:
            pump.bench.advance_to(act.at_s * US)
            first_op = operations(pump)
            act.do(client)
            played.append(Played(act, first_op, operations(pump)))
        pump.bench.advance_to(end_s * US)
    return played
