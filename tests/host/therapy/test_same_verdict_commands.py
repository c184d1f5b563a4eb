"""Host and pump give the same verdict on a refill, a prime, a bolus, the clock and a therapy's alarms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.dosing import rig
from host.therapy.samples import CONSTANT, errors_of
from host.therapy.test_same_verdict import mostly
from pump.dosing.local_time import LAST_DAY
from pump.safety.reservoir import Reservoir
from pump.therapy.bounds import Bounds
from pump.therapy.bounds import Refused as RefusedByPump
from pump.therapy.prescription import Prescription
from thecal.errors import Refused, ThecalError
from thecal.therapy import limits
from thecal.therapy.encode import to_wire
from thecal.therapy.load import parse_therapy
from thecal.therapy.rules.commands import (
    bolus_problems,
    bridge_problems,
    clock_problems,
    prime_problems,
    refill_problems,
)
from thecal.units import bound_text, local_time

ML = 1_000_000_000
US = 1_000_000


def running(**changes: Any) -> rig.Rig:
    """A pump that runs a therapy since its first microsecond."""
    pump = rig.Rig(0)
    assert pump.act({"do": "program", "therapy": rig.therapy(**changes)}) is None
    return pump


def verdict(*checks: Any) -> str:
    """What the pump says: its reason and detail, or nothing."""
    try:
        for check in checks:
            check()
    except RefusedByPump as refused:
        return f"{refused.reason} {refused.detail}".strip()
    return ""


def same(ours: list[str], theirs: str) -> None:
    assert bool(ours) == bool(theirs), (ours, theirs)


refills = st.fixed_dictionaries(
    {
        "volume_pl": mostly(st.integers(1, 40 * ML), 20 * ML, 40 * ML, 1),
        "residual_pl": mostly(st.integers(0, 40 * ML), 20 * ML, 40 * ML),
        "lot": st.text(max_size=26),
        "expiry_day": mostly(st.integers(9000, 12_000), 9500, LAST_DAY, 0xFFFE),
        "checked": st.integers(0, 1),
        "measured_pl": mostly(st.integers(0, 42 * ML), 20 * ML, 40 * ML, 2**64 - 2),
    }
)


@pytest.mark.req("HOST-08", part="refill")
@settings(max_examples=200)
@given(refills, st.sampled_from((20, 40)), st.sampled_from((9500, LAST_DAY)))
def test_refill(values: dict[str, Any], reservoir_ml: int, today: int):
    values = {**values, "measured_pl": values["measured_pl"] if values["checked"] else 0}
    pump = running(reservoir_pl=reservoir_ml * ML, fill_pl=10 * ML)
    reservoir = Reservoir(pump.controller, None, pump.log)
    checks = (lambda: pump.controller.check_refill(values), lambda: reservoir.check(values, today, False))
    same(refill_problems(values, reservoir_ml * ML, today), verdict(*checks))


@pytest.mark.req("HOST-08", part="clock")
@pytest.mark.req("HOST-07")
@settings(max_examples=200)
@given(
    st.sampled_from((0, 1, 9500, LAST_DAY - 1, LAST_DAY)),
    st.one_of(st.integers(0, 0xFFFF), st.sampled_from((LAST_DAY, LAST_DAY + 1))),
    st.one_of(st.none(), mostly(st.integers(1, 3 * 86_400 * US), 2 * 86_400 * US)),
    st.sampled_from((1, -1)),
)
def test_clock(today: int, day: int, offset: int | None, sign: int):
    pump = running()
    pump.delivery.local.set_at(0, 0, today, 43_200, 7)
    before = local_time.from_wire(today, 43_200, 7)
    values = {"absolute": 1, "day": day, "second": 86_399, "us": 999_999, "offset_us": 0}
    after: datetime = local_time.from_wire(day, 86_399, 999_999)
    if offset is not None:
        values = {"absolute": 0, "day": 0, "second": 0, "us": 0, "offset_us": sign * offset}
        after = before + timedelta(microseconds=sign * offset)
    theirs = verdict(lambda: pump.controller.check_clock(values, 0, 0))
    same(clock_problems(before, after, values["offset_us"]), theirs)


@pytest.mark.req("HOST-08", part="bolus")
@settings(max_examples=100)
@given(
    mostly(st.integers(1, 10**6), 10**8),
    mostly(st.integers(10**6, 10**9), 10**6, 86_400 * US),
    st.integers(0, 1),
)
def test_bolus(dose_ng: int, duration_us: int, extended: int):
    pump = running()
    values = {"dose_ng": dose_ng, "duration_us": duration_us, "extended": extended}
    theirs = verdict(lambda: pump.controller.boluses.check_clinician(values, 0, 0))
    same(bolus_problems(dose_ng, duration_us), theirs if theirs.startswith("out_of_range") else "")


@pytest.mark.req("HOST-08", part="prime")
@pytest.mark.req("RES-07")
@settings(max_examples=100)
@given(
    st.integers(0, 1),
    st.sampled_from((0, 140_000_000)),
    st.sampled_from((0, 890_000)),
    mostly(
        st.integers(ML, 5 * ML), ML // 2, ML // 2 + 140_000_000, ML // 2 + 195_800_000, ML // 2 + 335_800_000
    ),
)
def test_prime(dry: int, tubing_pl: int, length_um: int, fill_pl: int):
    pump = running(pump_tubing_pl=tubing_pl, catheter_length_um=length_um, fill_pl=fill_pl)
    pump.controller.set_implant(0, 0)
    program = rig.therapy(pump_tubing_pl=tubing_pl, catheter_length_um=length_um)
    same(
        prime_problems(program, bool(dry), fill_pl),
        verdict(lambda: pump.controller.check_prime({"dry": dry}, 0, 0)),
    )


@pytest.mark.req("RES-07", "HOST-08", part="bridge, refused in the same words")
@settings(max_examples=100)
@given(
    st.sampled_from((0, 140_000_000)),
    mostly(st.integers(1, 20 * ML), ML // 2 + 195_800_000, ML // 2 + 335_800_000, ML // 2),
    st.booleans(),
)
def test_bridge(tubing_pl: int, left_pl: int, together: bool):
    """A refill that comes with the program, or came before it."""
    pump = running(pump_tubing_pl=tubing_pl)
    refill = {
        "volume_pl": left_pl,
        "residual_pl": 0,
        "lot": "",
        "expiry_day": 0,
        "checked": 0,
        "measured_pl": 0,
    }
    drugs = [{**rig.therapy()["drugs"][0], "concentration_ng_per_ml": 10_000_000}]
    bridge = [{"dose_ng_per_day": 2_400_000, "concentration_ng_per_ml": 20_000_000}]
    new = Prescription(rig.therapy(pump_tubing_pl=tubing_pl, drugs=drugs, bridge=bridge), Bounds())
    if not together:
        pump.controller.refill(refill, 0, 0)
    theirs = verdict(lambda: pump.controller.check_program(new, 0, 0, refill if together else None))
    ours = bridge_problems(new.dead_pl, left_pl)
    same(ours, theirs)
    if ours:
        reason, _, detail = theirs.partition(" ")
        refused = Refused(reason, 20, 0x10, "propose", detail, bound_text.detail_text(reason, detail))
        _, _, words = str(refused).partition("reservoir, ")
        assert ours[0].endswith(f": {words}")


@pytest.mark.req("HOST-08", part="alarms of a therapy")
@settings(max_examples=150)
@given(
    mostly(st.integers(ML // 10, 39 * ML), ML // 10, 40 * ML, 100 * ML),
    mostly(st.integers(0, 60), 60),
    mostly(st.integers(1, 3600), 1, 172_800),
)
def test_alarms(low_pl: int, low_days: int, max_pause_s: int):
    base = parse_therapy(CONSTANT)
    changes = {"low_reservoir_pl": low_pl, "low_reservoir_days": low_days, "max_pause_s": max_pause_s}
    theirs = verdict(lambda: Prescription({**to_wire(base), **changes}, Bounds()))
    alarms = {
        "low_reservoir": f"{low_pl} pL",
        "low_reservoir_days": low_days,
        "max_pause": f"{max_pause_s} s",
    }
    same(host_on(alarms), theirs)


def host_on(alarms: dict[str, object]) -> list[str]:
    lines = [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in alarms.items()
    ]
    text = CONSTANT.split("[alarms]")[0] + "\n[alarms]\n" + "\n".join(lines) + "\n"
    try:
        return [str(problem) for problem in errors_of(text)]
    except ThecalError as error:
        return [str(error)]


@pytest.mark.req("HOST-08", part="every bound in a person's unit")
@pytest.mark.parametrize("row", Bounds().table, ids=lambda row: row[0])
def test_every_limit_has_words(row: tuple[str, int, int]):
    text = bound_text.detail_text("out_of_range", f"field {row[0]} {row[1]} {row[2]}")
    assert text.startswith("field: ")
    assert "_" not in text
    units = ("mg", "mcg", "ng", "mL", "uL", "nL", "pL", "min", " h", " d", " s", "-", "bytes")
    plain = ("max_per_24h", "drugs", "basal_steps", "periodic_boluses", "plan")
    assert row[0] in plain or any(unit in text for unit in units), text


@pytest.mark.parametrize(
    ("refusal", "detail", "words"),
    [
        ("out_of_range", "resume_after_s 0 1800", "resume after: at most 30 min"),
        ("out_of_range", "local_day 0 36524", "local day: from 2000-01-01 to 2099-12-31"),
        ("reservoir", "bolus_dose_ng 0 1200000", "bolus dose: at most 1.2 mg"),
        ("lockout", "5400000000", "1 h 30 min left"),
        ("max_rate", "430000001", "over 431 s or more"),
        ("max_rate", "0", "over no duration"),
        (
            "limit_24h",
            "morphine 50000 9501 51600",
            "the limit of morphine: at most 50 mcg now; this bolus from Mon 2026-01-05 14:20:00 on",
        ),
        ("limit_24h", "a b 0 0 0", "the limit of a b: nothing is left now; this bolus not within two days"),
        ("limit_24h", "given", "given"),
        ("fault_latched", "7", "over_infusion"),
        ("out_of_range", "schema", "schema"),
    ],
)
@pytest.mark.req("HOST-08")
def test_details_for_people(refusal: str, detail: str, words: str):
    assert bound_text.detail_text(refusal, detail) == words


def test_ranges_of_the_host_are_the_pumps():
    table = {name: (low, high) for name, low, high in Bounds().table}
    assert (limits.RESUME_AFTER.low, limits.RESUME_AFTER.high) == table["resume_after_s"]
    assert (limits.SHIFT.low, limits.SHIFT.high) == table["clock_shift_us"]
    assert table["local_day"] == (0, local_time.LAST_DAY)
    assert table["lot_bytes"] == (0, limits.MAX_LOT_BYTES)
    assert limits.EMPTY_PL == ML // 2
