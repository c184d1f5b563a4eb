"""Every value that the pump accepts is the same after commit, save, reset and load (INT-10): by the tables of
the wire, their kinds' and the bounds' ends. What cannot be kept is refused."""

import contextlib
import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.dosing import rig
from pump.dosing.local_time import LAST_DAY
from pump.records import state as states
from pump.therapy.bounds import Bounds
from pump.therapy.bounds import Refused as RefusedByPump
from pump.therapy.prescription import Prescription
from thecal.campaigns.multi_boot import MultiBoot
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal_protocol.codec import INTEGER_KINDS
from thecal_protocol.therapy import THERAPY

DAY_US = 86_400_000_000
OLDEST_S = 0x3FFFFFFE  # the last second of a pump's clock
_BOUNDS = Bounds().table


# --- programs ---


def ends(name: str, kind: str) -> list[Any]:
    """The ends of a field's kind, and those of every bound that may be its own."""
    if kind == "str":
        return ["", "x", "é" * 7, "x" * 15, "x" * 16, "é" * 127, "x" * 255]
    if kind == "bytes":
        return [b"", bytes(8), b"\xff" * 8, bytes(255)]
    _, _, low, high = INTEGER_KINDS[kind]
    found = {low, low + 1, high - 1, high, 2**31, 2**30}
    for bound, least, most in _BOUNDS:
        if bound in name or name in bound or bound.rsplit("_", 1)[-1] == name.rsplit("_", 1)[-1]:
            found |= {least, least + 1, most - 1, most, most + 1}
    return sorted(value for value in found if low <= value <= high)


def places(fields: Any, values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(where, candidate) for every field of a table, in every entry of its groups."""
    for name, kind in fields:
        if isinstance(kind, str):
            yield from ((((*path, name)), value) for value in ends(name, kind))
        else:
            for index, entry in enumerate(values[name]):
                yield from places(kind, entry, (*path, name, index))


def put(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(values)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def accepted(values: dict[str, Any]) -> bool:
    try:
        Prescription(copy.deepcopy(values), Bounds())
    except (RefusedByPump, OverflowError):
        return False
    return True


def bases() -> list[dict[str, Any]]:
    """Programs that hold an entry of every group, between them."""
    bolus = {"dose_ng": 20_000, "duration_us": 300_000_000}
    periodic = {**bolus, "every_us": 6 * 3600 * 10**6, "first_us": 3600 * 10**6}
    patient = {**bolus, "lockout_us": 7200 * 10**6, "max_per_24h": 6}
    drugs = [*rig.therapy()["drugs"]]
    drugs.append({**drugs[0], "name": "bupivacaine", "concentration_ng_per_ml": 7_500_000})
    rules = {"max_concentration_ng_per_ml": 0, "max_dose_24h_ng": 0, "rules": 0}
    confirmed = [{"drug": 0, "what": 1, "value": 2_400_000, "limit": 1_000_000}]
    library = {"version": 7, "digest": bytes(range(8)), "drugs": [rules, rules], "confirmed": confirmed}
    full = rig.therapy(drugs=drugs, periodic_boluses=[periodic], patient_bolus=[patient], library=[library])
    plan = [{"after_us": DAY_US, "dose_ng_per_day": 2_000_000}]
    flex = [{"start_min": at, "days": 127, "dose_ng_per_day": 2_400_000} for at in (0, 720)]
    return [
        full,
        rig.therapy(plan=plan),
        rig.therapy(basal_mode=2, basal_dose_ng_per_day=0, basal_steps=flex),
    ]


@cache
def programs() -> list[dict[str, Any]]:
    """Few programs that together hold every end that any accepted program may hold."""
    found: list[dict[str, Any]] = []
    for base in bases():
        assert accepted(base)
        open_ = [(path, value) for path, value in places(THERAPY, base) if accepted(put(base, path, value))]
        while open_:
            program, rest, taken = base, [], set[tuple[Any, ...]]()
            for path, value in open_:
                changed = put(program, path, value)
                if path not in taken and accepted(changed):
                    program = changed
                    taken.add(path)
                else:
                    rest.append((path, value))
            found.append(program)
            open_ = rest
    return found


def committed(client: Client, values: dict[str, Any]) -> bool:
    """False: refused, by name."""
    try:
        client.commit(client.propose_program(values).digest)
    except Refused as refused:
        if refused.name in ("internal", "malformed"):
            raise
        return False
    return True


@pytest.mark.req("INT-10")
@pytest.mark.req("DEL-07", part="programs with every field at its ends")
def test_every_end_of_every_field_of_a_program_is_kept(tmp_path: Path):
    kept = 0
    with contextlib.closing(MultiBoot()) as pump:
        for number, values in enumerate(programs()):
            pump.begin(tmp_path / str(number), {"seed": 3})
            with Client.connect(pump.port) as client:
                if not committed(client, values):
                    continue
                assert client.running_program() == values
                digest = client.status().program_digest
            pump.kill()
            pump.restart()
            with Client.connect(pump.port) as client:
                assert client.running_program() == values
                assert client.status().program_digest == digest
                client.accounts()
                client.reservoir()
                kept += 1
    assert kept >= len(programs()) - 2, (kept, len(programs()))


# --- clock, refill, stop, bolus ---


@pytest.mark.req("INT-10", part="the clock")
@pytest.mark.req("HOST-07")
def test_every_day_is_kept_and_others_are_refused(tmp_path: Path):
    days = (0, 1, 32_767, 32_768, 32_769, 33_000, LAST_DAY - 1, LAST_DAY)
    with Emulator(flash=tmp_path / "flash", settings={"seed": 3}) as pump:
        with Client.connect(pump.port) as client:
            client.commit(
                client.propose_program(rig.therapy(basal_mode=2, basal_dose_ng_per_day=0, **_FLEX)).digest
            )
        for day in days:
            with Client.connect(pump.port) as client:
                client.commit(client.propose_clock(day, 86_399, 999_999).digest)
                weekday_dose = client.status().basal_ng_per_day
                for wrong in (LAST_DAY + 1, 0xFFFF):
                    with pytest.raises(Refused, match="local day: from 2000-01-01 to 2099-12-31"):
                        client.propose_clock(wrong, 0, 0)
            pump.kill()
            pump.restart()
            with Client.connect(pump.port) as client:
                status = client.status()
                assert (status.local_day, status.local_s, status.local_us) == (day, 86_399, 999_999)
                assert (status.clock_set, status.basal_ng_per_day) == (True, weekday_dose)
                assert weekday_dose == _dose_on(day)
                (*_, reference) = [e for e in client.events() if e.kind == "reference_time"]
                assert (reference.ref, reference.a, reference.b) == (day, 86_399, 999_999)
        pump.bench.advance_by(DAY_US)  # and past the last day it goes on
        pump.kill()
        pump.restart()
        with Client.connect(pump.port) as client:
            assert client.status().local_day == LAST_DAY + 1
            client.stop()
            client.resume()


_FLEX: dict[str, Any] = {
    "basal_steps": [
        {"start_min": 0, "days": 1 << day, "dose_ng_per_day": 2_000_000 + day} for day in range(7)
    ]
}


def _dose_on(day: int) -> int:
    return 2_000_000 + (day + 5) % 7


@pytest.mark.req("INT-10", part="refills, stops, boluses and what the log says of them")
def test_ends_of_refills_stops_and_boluses_are_kept(tmp_path: Path):
    most_pl = 100_000_000_000
    drugs = [{**rig.therapy()["drugs"][0], "concentration_ng_per_ml": 100_000_000}]
    values = rig.therapy(
        drugs=drugs,
        basal_dose_ng_per_day=10_000_000,
        reservoir_pl=most_pl,
        fill_pl=most_pl,
        max_pause_s=172_800,
    )
    refills = (
        {"lot": "x" * 24, "expiry_day": LAST_DAY, "measured_pl": most_pl},
        {"lot": "é" * 12, "expiry_day": 9500, "measured_pl": most_pl - 2_000_000_000},
        {"lot": "", "expiry_day": None, "measured_pl": None},
    )
    with Emulator(flash=tmp_path / "flash", settings={"seed": 3}) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_clock(9500, 0, 0).digest)
            assert committed(client, values)
        for refill, residual_pl in zip(refills, (0, most_pl, 99_999_999_999), strict=True):
            with Client.connect(pump.port) as client:
                client.commit(client.propose_refill(most_pl, residual_pl, **refill).digest)  # pyright: ignore
                before = client.reservoir()
            pump.kill()
            pump.restart()
            with Client.connect(pump.port) as client:
                after = client.reservoir()
                assert (after.lot, after.expiry_day) == (refill["lot"], refill["expiry_day"])
                assert after.checks == before.checks
                assert after.checks[0].residual_pl == residual_pl
                client.confirm_alarm()  # a residual that was confirmed stays so
        with Client.connect(pump.port) as client:
            client.commit(client.propose_bolus(100_000_000, DAY_US).digest)
            client.stop(resume_after_s=172_800)
        pump.kill()
        pump.restart()
        with Client.connect(pump.port) as client:
            assert not [alarm for alarm in client.alarms().standing if alarm.name == "refill_residual"]
            by_kind = {event.kind: event for event in client.events()}
            assert (by_kind["bolus_started"].a, by_kind["bolus_started"].b) == (100_000_000, DAY_US)
            assert by_kind["stopped"].a == 172_800
            assert (by_kind["refilled"].a, by_kind["refilled"].b) == (most_pl, 99_999_999_999)
            assert client.status().state == "stopped"
        pump.bench.advance_by(172_800 * 10**6)
        with Client.connect(pump.port) as client:
            assert client.status().state == "infusing"


# --- the ledger's words ---


@pytest.mark.req("INT-10", part="the ledger")
@settings(max_examples=150)
@given(
    st.tuples(st.integers(0, OLDEST_S), st.integers(0, 999_999)),
    st.integers(0, LAST_DAY + 12_427),
    st.integers(0, 86_399),
    st.integers(0, 999_999),
    st.booleans(),
    st.integers(0, 2**45 - 1),
    st.integers(0, 2**30 - 1),
    st.integers(0, 0xFFFF),
)
def test_the_ledger_keeps_clock_counts_and_numbers(
    now: tuple[int, int], day: int, second: int, us: int, was_set: bool, steps: int, permit: int, ref: int
):
    s, at_us = now
    before, after = rig.Rig(0), rig.Rig(0)
    words = [0] * states.WORDS
    local = before.delivery.local
    local.set_at(s, at_us, day, second, us)
    local.was_set = was_set
    before.delivery.count.base = steps - min(steps, permit)
    before.delivery.permit = min(steps, permit)
    before.delivery.sources.next_ref = ref
    states.State(words, before.controller, before.log).collect(s, at_us)
    assert all(0 <= word < 2**30 for word in words)  # small integers on the chip
    restored = states.State(words, after.controller, after.log)
    restored.apply_steps_before_reset(-1)
    restored.restore_counts(3)
    after.delivery.local.at(s, at_us)
    found = after.delivery.local
    assert (found.day, found.second, found.us, found.was_set) == (day, second, us, was_set)
    assert (words[states.TIME_S], words[states.TIME_US]) == now
    assert (after.delivery.count.base, after.delivery.sources.next_ref) == (steps, ref)


def test_the_sweep_looks_at_every_field():
    """No group of the table is empty in all bases."""
    names = {path for base in bases() for path, _ in places(THERAPY, base)}
    flat = {tuple(key for key in path if isinstance(key, str)) for path in names}

    def leaves(fields: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, kind in fields:
            yield from [(*path, name)] if isinstance(kind, str) else leaves(kind, (*path, name))

    bridge = {leaf for leaf in leaves(THERAPY) if leaf[0] == "bridge"}  # needs a refill first: images test it
    assert set(leaves(THERAPY)) - flat == bridge
    assert len(programs()) >= 3
