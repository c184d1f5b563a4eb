"""Every fault that the bench has, with what the pump owes the patient then: `FAULTS`.

For each fault: by which alarm it is announced and within which time, how many steps above the allowed may be
made until it is stopped, and whether therapy goes on afterwards. Every bound below follows from the design
(docs/explanation/safety.md, What a fault may cost, says how), none from what a pump was seen to do. The
campaign judges by this table and by nothing that the firmware says.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from thecal.campaigns.cut_therapies import STEP_PL, US_PER_MIN, US_PER_S
from thecal.campaigns.dose_bound import Line
from thecal.campaigns.fault_states import Patient
from thecal.errors import LinkError, Refused
from thecal.firmware_build import facts
from thecal_protocol.bolus_kinds import BOLUS_KINDS, PROPOSED
from thecal_protocol.codec import name_of
from thecal_protocol.sensors import SENSORS

# Of the design, repeated here: the firmware's own numbers are not asked.
RUN = 56  # steps that are handed out at once, when at most 8 are left
QUEUE = RUN + 8  # steps that the motor may hold: what any software can still deliver
_LOOK_RUNS = 4  # runs between two looks at what was made, and at most so long:
_LOOK_S = 120 + 1
BETWEEN_LOOKS = QUEUE + _LOOK_RUNS * RUN - RUN  # held at the one, handed out since, still held at the other
_SAMPLE_S = 300 + _LOOK_S  # sensors: every 5 min, when the pump looks
_ALERT_S = 20  # as soon as anything is wrong
_TWICE_S = _SAMPLE_S + _ALERT_S
_THRICE_S = _SAMPLE_S + 2 * _ALERT_S
_STUCK_S = 12 * _SAMPLE_S  # twelve samples in a row that are the same
_SAMPLE_STEPS = 2048  # sensors: or after so many
_WINDOW_S = 300 + _LOOK_S  # of the guard
_WINDOW_STEPS = 50  # or as long as these take
_BAND_S = 900 + 2 * _WINDOW_S  # 15 min of whole windows, and what came before the first of them
_BAND_STEPS = 2 * _WINDOW_STEPS
_OUTER = Fraction(145, 1000)  # of a window, above which the guard acts at once
_SLACK = 8  # steps on top
_LATE_S = Fraction(9, 4)  # and a quarter second's flow; a bolus's end is known to two seconds
_CODE_S = 64 * (900 + _LOOK_S)  # a file every 15 min
_SAVE_S = 1800 + _LOOK_S  # something is written at least so often
_HEARD_S = 4 + 1  # a tone is listened for when it is over
_PL_PER_PA = 100  # of the bench: what its walls give
_DOWN_PA, _UP_PA = 25_000, 40_000  # pressures at which the pump alarms
# boluses that end while they are watched
_BOLUSES = (*(name_of(BOLUS_KINDS, kind) for kind, _ in PROPOSED), "patient_bolus")


def judged_by_the_sum(line: Line) -> int:
    """Steps that may be too many where every run for itself is right: what the guard's outer band lets pass
    in a window, and what is made until it next looks."""
    window = max(line.most_in(_WINDOW_S * US_PER_S), Fraction(_WINDOW_STEPS))
    late = _LATE_S * US_PER_S * max(line.rates, default=Fraction(0))
    return math.ceil(_OUTER * window + late) + _SLACK + BETWEEN_LOOKS


Begin = Callable[[Patient], None]


@dataclass(frozen=True)
class Fault:
    """One fault of the bench. `alarms`: any one of them announces it; none: nothing is to be announced."""

    begin: Begin
    alarms: tuple[str, ...] = ()
    within_s: int = 0
    steps: int = 0  # driven before it can be noticed, on top of `within_s`: their time is theirs to take
    bound: int = 0  # steps above the allowed
    by_sum: bool = False  # and what `judged_by_the_sum` says
    flow: bool = False  # can be noticed only while steps are made
    maybe: bool = False  # whether it shows depends on what runs: it may stay silent, but never do harm
    shows_in: tuple[str, ...] = ()  # states in which it must be announced all the same
    goes_on: bool = True  # therapy goes on, at the latest an hour after it has ended
    record: tuple[str, ...] = ()  # kinds of records, one of which must be there; none: the alarm's
    rots: bool = False  # what is on flash may be lost by it: nothing may flow then, and no count be kept
    end: Begin | None = None
    watch_s: int = 1800  # how long it stands, beyond the time in which it must be announced


def _inject(what: str, **values: int | str) -> Begin:
    return lambda patient: patient.pump.bench.inject_raw(what, **values)


def _end(what: str, **values: int | str) -> Begin:
    def end(patient: Patient) -> None:
        patient.pump.bench.inject_raw(what, ends=1, **values)

    return end


def _sensor(how: str, which: str, within_s: int) -> Fault:
    alarms = ("sensor_fault",) if within_s else ()
    what = f"sensor_{how}"
    return Fault(_inject(what, which=which), alarms, within_s, end=_end(what, which=which))


def _planner(kind: str, *alarms: str, within_s: int = _LOOK_S, num: int = 2, den: int = 1) -> Fault:
    """A planner that does something it should not. It is stopped for good.

    A run that does not keep the rate or the next change is not handed out; one of a single step has no gap
    that could be wrong."""
    return Fault(
        _inject("planner_fault", kind=kind, num=num, den=den),
        alarms,
        within_s,
        steps=BETWEEN_LOOKS if kind == "stuck_on" else QUEUE,
        bound=1,
        by_sum=kind == "stuck_on",  # every run for itself is right
        flow=True,
        maybe=kind in _BY_CHANCE,
        shows_in=_SHOWS_IN.get(kind, ()),
        goes_on=False,
        end=_end("planner_fault"),
    )


def _too_slow(kind: str, **values: int) -> Fault:
    """A planner that gives less than it should, or nothing."""
    return Fault(
        _inject("planner_fault", kind=kind, **values),
        ("under_infusion", *_GUARDED),
        _BAND_S,
        steps=_BAND_STEPS,
        flow=True,
        end=_end("planner_fault"),
        goes_on=False,
    )


_BY_CHANCE = ("stuck_on", "double_commit", "past_change", "unledgered")  # by what runs just then
_SHOWS_IN = {"stuck_on": _BOLUSES, "double_commit": (*_BOLUSES, "prime")}
_GUARDED = ("over_infusion", "dose_guard", "memory", "fault")


def _then_stop(kind: str, bound: int) -> Fault:
    """A stop that the planner does not carry out."""

    def begin(patient: Patient) -> None:
        patient.pump.bench.inject_raw("planner_fault", kind=kind)
        with contextlib.suppress(Refused):
            patient.pump.client.stop()
            patient.may_not_flow()

    end = _end("planner_fault")
    return Fault(begin, _GUARDED, _LOOK_S, bound=bound, maybe=True, goes_on=False, end=end)


# Values in the pump's memory, as paths from the pump on, and which bits of them hold anything.
_MEMORY = (
    ("delivery.accumulator.rate.0", 14),
    ("delivery.accumulator.rate.1", 14),
    ("delivery.accumulator.unit.0", 14),
    ("delivery.accumulator.unit.2", 14),
    ("delivery.planner.run.gap_s", 8),
    ("delivery.planner.run.gap_us", 19),
    ("delivery.planner.run.modulus.0", 14),
    ("delivery.permit", 20),
    ("supervisor.machine.word", 7),
    ("supervisor.guard.limit_24h", 20),
)
_OF_A_PROGRAM = (
    ("base_rate", 14),
    ("ceiling", 14),
    ("stride_3", 14),
    ("stride_rest", 14),
    ("max_rate_pl_per_day", 34),
    ("concentration_ng_per_ml_0", 24),
    ("low_reservoir_pl", 30),
)


def _flip(patient: Patient) -> None:
    name, highest = patient.rng.choice(_MEMORY if patient.program is None else _MEMORY + _OF_A_PROGRAM)
    patient.pump.bench.inject_raw("memory_flip", name=name, bit=patient.rng.randint(0, highest))


def _broken_buzzer(patient: Patient) -> None:
    """Nobody hears the next tone: here that of a test."""
    patient.pump.bench.buzzer_broken()
    patient.pump.client.test_alarm(critical=True)


def _mended_buzzer(patient: Patient) -> None:
    patient.pump.bench.buzzer_broken(ends=True)
    patient.pump.client.test_alarm(critical=True)


def _power_cut(patient: Patient) -> None:
    patient.pump.cut_power()


def _rot(patient: Patient) -> None:
    """A bit of a file turns over, and the pump starts anew from it."""
    patient.pump.bench.inject_raw("flash_bit_flip", seed=patient.rng.randrange(2**20))
    patient.pump.cut_power()


def _worn(patient: Patient) -> None:
    blocks = facts.process().flash.blocks
    for _ in range(8):
        block = patient.rng.randrange(blocks)
        patient.pump.bench.flash_worn_block(block, fails=patient.rng.random() < 0.5)


def _flood(patient: Patient) -> None:
    """Ten minutes of it, in which nobody can ask anything; as long again, for sessions that were refused."""
    seed = patient.rng.randrange(2**20)
    patient.pump.bench.inject_raw("link_flood", bytes_per_s=1000, seed=seed, for_us=10 * US_PER_MIN)
    patient.pump.let(20 * US_PER_MIN)
    with contextlib.suppress(LinkError):  # it may end what was left of a frame
        patient.pump.client.hello()
    patient.pump.client.hello()


def _noise(patient: Patient) -> None:
    """Commands meet a noisy line; what gets through is carried out once."""
    bench, client = patient.pump.bench, patient.pump.client
    bench.link_noise(200)
    with contextlib.suppress(LinkError, Refused):
        client.ask_on_noise()
    bench.link_noise(0)
    with contextlib.suppress(LinkError):  # its answer may end what was left of a frame
        client.hello()
    client.hello()


def _released(patient: Patient) -> None:
    """A blocked catheter opens: what was stored behind it comes at once."""
    before = patient.pump.truth().left_pl
    patient.pump.bench.occlusion("downstream", ends=True)
    patient.released_steps = max(0, patient.pump.truth().left_pl - before) // STEP_PL


_SENSORS = tuple(row[1] for row in SENSORS if row[2])  # those with a reading

FAULTS: dict[str, Fault] = {
    "motor_stall": Fault(
        lambda patient: patient.pump.bench.motor_stall(10_000 * US_PER_S),
        ("motor_stall",),
        _LOOK_S,
        steps=16,
        flow=True,
        end=lambda patient: patient.pump.bench.motor_stall(1),
    ),
    "over_delivery": Fault(_inject("over_delivery", num=6, den=5), end=_end("over_delivery")),
    "occlusion_downstream": Fault(
        _inject("occlusion", where="downstream"),
        ("occlusion_downstream", "motor_stall"),
        _SAMPLE_S,
        steps=_DOWN_PA * _PL_PER_PA // STEP_PL,
        bound=_DOWN_PA * _PL_PER_PA // STEP_PL + _SAMPLE_STEPS + BETWEEN_LOOKS,
        flow=True,
        end=_released,
    ),
    "occlusion_upstream": Fault(
        _inject("occlusion", where="upstream"),
        ("occlusion_upstream",),
        _SAMPLE_S,
        steps=_UP_PA * _PL_PER_PA // STEP_PL,
        flow=True,
        end=_end("occlusion", where="upstream"),
    ),
    "fever": Fault(
        _inject("temperature", millicelsius=41_000), ("temperature",), _SAMPLE_S, end=_end("temperature")
    ),
    "cold": Fault(
        _inject("temperature", millicelsius=33_000), ("temperature",), _SAMPLE_S, end=_end("temperature")
    ),
    "heat": Fault(
        _inject("temperature", millicelsius=43_000),
        ("temperature_high",),
        _SAMPLE_S,
        end=_end("temperature"),
    ),
    "battery_low": Fault(_inject("battery_level", percent=5), ("battery_eri",), _THRICE_S),
    "battery_dead": Fault(_inject("battery_level", percent=0), ("battery_eos",), _THRICE_S, goes_on=False),
    **{f"missing_{name}": _sensor("missing", name, _TWICE_S) for name in _SENSORS},
    **{f"stuck_{name}": _sensor("stuck", name, _STUCK_S) for name in _SENSORS},
    "noisy_temperature": _sensor("noise", "temperature", 0),
    "noisy_downstream": _sensor("noise", "downstream", 0),
    "rate_double": _planner("rate", *_GUARDED),
    "rate_small_excess": _planner("rate", *_GUARDED, num=6, den=5),
    "rate_half": _too_slow("rate", num=1, den=2),
    "planner_rate_double": _planner("planner_rate", *_GUARDED),
    "runaway": _planner("runaway", *_GUARDED),
    "stuck_on": _planner("stuck_on", *_GUARDED, within_s=2 * 3600 + _LOOK_S),
    "stuck_off": _too_slow("stuck_off"),
    "double_commit": _planner("double_commit", *_GUARDED),
    "past_change": _planner("past_change", *_GUARDED),
    "unledgered": _planner("unledgered", *_GUARDED),
    "no_stop": _then_stop("no_stop", 0),
    "no_cancel": _then_stop("no_cancel", QUEUE + _SLACK),
    "memory_flip": Fault(_flip, ("memory", *_GUARDED), _SAMPLE_S, steps=QUEUE, flow=True, goes_on=False),
    "hang": Fault(_inject("hang"), record=("boot",)),
    "buzzer_broken": Fault(_broken_buzzer, ("annunciator",), _HEARD_S, end=_mended_buzzer),
    "code_damage": Fault(_inject("code_damage"), ("code",), _CODE_S, end=_end("code_damage")),
    "flash_fails": Fault(
        lambda patient: patient.pump.bench.flash_fails(),
        ("storage", "log_failing", "fault"),
        _SAVE_S,
        goes_on=False,
        end=lambda patient: patient.pump.bench.flash_fails(False),
    ),
    "flash_bit_flip": Fault(_rot, maybe=True, goes_on=False, record=("boot",), rots=True),
    "flash_worn": Fault(_worn, maybe=True, goes_on=False),
    "link_flood": Fault(_flood),
    "link_noise": Fault(_noise),
    "power_cut": Fault(_power_cut, record=("boot",)),
    "press_button": Fault(lambda patient: patient.pump.bench.press_button()),
}
