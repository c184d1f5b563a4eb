"""What a program changes is on record, field by field: old, new, by whom (REC-09)."""

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest

from firmware.dosing import rig
from firmware.event_log.helpers import pump, whole_log
from pump.records.changes import Changes
from support.wire_values import random_values
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.eventlog.program_changes import changes_of
from thecal.link.client import Client
from thecal.link.responses.pump import Event, Instant
from thecal_protocol import events, messages
from thecal_protocol.codec import decode, encoded
from thecal_protocol.events import PIECES, PROGRAM_FIELDS
from thecal_protocol.therapy import THERAPY

MOST = (1 << 56) - 1
NUMBERS = {name: number for number, name in PROGRAM_FIELDS}
EXEMPT = {"schema", "library.digest", "library.confirmed"}  # docs/reference/protocol.md says why
FLEX = [
    {"start_min": 30 * step, "days": days, "dose_ng_per_day": 1_000_000 + 1000 * step + days}
    for days in (31, 32, 64)
    for step in range(48)
]


def leaves(fields: Any, before: str = "") -> set[str]:
    found: set[str] = set()
    for name, kind in fields:
        if before + name == "basal_steps" or isinstance(kind, str):
            found.add(before + name)
        elif before + name not in EXEMPT:
            found |= leaves(kind, before + name + ".")
    return found


def test_every_field_of_a_program_has_its_number():
    assert leaves(THERAPY) - EXEMPT == set(NUMBERS)
    assert len(set(NUMBERS.values())) == len(NUMBERS)
    assert all(0 < number < 256 for number in NUMBERS.values())


class Noted:
    """A log that takes note of everything and writes nothing, and how many notes came in one breath."""

    def __init__(self) -> None:
        self.breath = self.longest = 0
        self.notes: list[tuple[int, int, int, int, int]] = []
        self.most = self.waits = 0

    def note(self, *record: int) -> None:
        self.notes.append(record)  # type: ignore[arg-type]
        self.waits += 1
        self.most = max(self.most, self.waits)
        self.breath += 1
        self.longest = max(self.longest, self.breath)

    def breathe(self) -> None:
        self.breath = 0

    def waiting(self) -> int:
        return self.waits

    def write_due(self) -> None:
        self.waits = 0


def flat(values: dict[str, Any]) -> dict[tuple[str, int], int]:
    """Every value that is not 0 by its field and index, from the decoded program."""
    found: dict[tuple[str, int], int] = {}

    def put(name: str, index: int, value: Any) -> None:
        if isinstance(value, str):
            text = value.encode()
            for piece in range(PIECES):
                number = int.from_bytes(text[7 * piece : 7 * piece + 7], "little")
                found[name, index * PIECES + piece] = number
        elif isinstance(value, int):
            found[name, index] = value

    def walk(group: dict[str, Any], before: str, index: int) -> None:
        for name, value in group.items():
            if before + name in EXEMPT:
                continue
            if isinstance(value, list):
                for at, entry in enumerate(value):
                    if name == "basal_steps":
                        step = entry["dose_ng_per_day"] | entry["days"] << 32 | entry["start_min"] << 40
                        put(name, at, step)
                    else:
                        walk(entry, before + name + ".", at)
            else:
                put(before + name, index, value)

    walk(values, "", 0)
    return {place: value for place, value in found.items() if value}


@pytest.mark.req("INT-11", part="what a program changes is told a breath for each field")
@pytest.mark.parametrize("seed", range(8))
def test_the_records_are_the_difference(seed: int):
    """Against the difference of the decoded programs, of programs that have this and that in common."""
    rng = random.Random(seed)
    for _ in range(12):
        old = one_library(random_values(THERAPY, rng)) if rng.random() < 0.8 else None
        new = one_library(random_values(THERAPY, rng))
        if old is not None:
            new |= {name: old[name] for name, _ in THERAPY if rng.random() < 0.5}
        check_difference(old, new)


def one_library(values: dict[str, Any]) -> dict[str, Any]:
    """A program has at most one."""
    return values | {"library": values["library"][:1]}


def check_difference(old: dict[str, Any] | None, new: dict[str, Any]) -> None:
    log = Noted()
    before = encoded(THERAPY, old) if old else b""
    Changes(log, 7, log.write_due, log.breathe).tell(before, encoded(THERAPY, new))
    assert all((kind, ref) == (events.PROGRAM_FIELD, 7) for kind, _, ref, _, _ in log.notes)
    was, now = flat(old) if old else {}, flat(new)
    names = {number: name for name, number in NUMBERS.items()}
    got = {(names[code], a >> 56): (a & MOST, b & MOST) for _, code, _, a, b in log.notes}
    places = {place for place in was.keys() | now.keys() if was.get(place, 0) != now.get(place, 0)}
    assert got == {place: (min(was.get(place, 0), MOST), min(now.get(place, 0), MOST)) for place in places}
    assert len(log.notes) == len(places)
    assert [b >> 56 for *_, b in log.notes] == [0] * (len(places) - 1) + [1] * bool(places)
    assert log.most <= 24
    assert log.longest <= PIECES


def largest() -> dict[str, Any]:
    drugs = [
        {
            "name": f"drug-{n}-of-many-"[:15],
            "concentration_ng_per_ml": 20_000_000 + n,
            "max_dose_24h_ng": 9_000_000,
            "max_dose_1h_ng": 9_000_000,
        }
        for n in range(5)
    ]
    bolus = {"dose_ng": 20_000, "duration_us": 300_000_000}
    periodic = [{**bolus, "every_us": 7_200_000_000 + n, "first_us": 1_000_000 + n} for n in range(4)]
    return rig.therapy(
        name="the largest program that there is, with a name as long as this",
        drugs=drugs,
        basal_mode=2,
        basal_dose_ng_per_day=0,
        basal_steps=FLEX,
        periodic_boluses=periodic,
        patient_bolus=[{**bolus, "lockout_us": 3_600_000_000, "max_per_24h": 4}],
    )


@pytest.mark.req("REC-09", part="also of the largest program")
def test_a_commit_is_on_record_field_by_field(tmp_path: Path):
    with pump(tmp_path / "flash") as emulator, Client.connect(emulator.port) as client:
        key = client.log_key()
        commit(emulator, client, rig.therapy())
        changed = rig.therapy(basal_dose_ng_per_day=4_800_000, max_rate_pl_per_day=12_000_000_000)
        at = commit(emulator, client, changed)
        log = whole_log(client, key)
        committed = [event for event in log if event.kind == "program_committed"][-1]
        found = [change for change in changes_of(log) if change.ref == committed.ref]
        assert [(change.words, change.old, change.new, change.actor) for change in found] == [
            ("basal dose", "2.4 mg/day", "4.8 mg/day", "clinician"),
            ("max rate", "24 mL/day", "12 mL/day", "clinician"),
        ]
        assert all(change.at_us == at.total_us == committed.at.total_us for change in found)
        emulator.bench.advance_by(60_000_000)
        client.commit(client.propose_refill(40_000_000_000, 1_000_000_000).digest)
        commit(emulator, client, largest())
        records = [event for event in client.events(log[-1].sequence + 1) if event.kind == "program_field"]
        assert 200 < len(records) < 300
        assert [event.b >> 56 for event in records] == [0] * (len(records) - 1) + [1]
        log = whole_log(client, key)
        names = [(c.field, c.old, c.new) for c in changes_of(log) if c.field == "drugs.name"]
        assert names[1] == ("drugs.name", "morphine", "drug-0-of-many-")
        steps = [change for change in changes_of(log) if change.field == "basal_steps"]
        assert len(steps) == len(FLEX)
        assert steps[1].new == "1.001031 mg/day from 00:30 mon tue wed thu fri"


def commit(emulator: Emulator, client: Client, values: dict[str, Any]) -> Instant:
    """Commit a program; press the button where it needs that."""
    digest = client.propose_program(values).digest
    with contextlib.suppress(Refused):
        return client.commit(digest).at
    emulator.bench.press_button()
    return client.commit(digest).at


def test_a_code_that_no_table_has_is_shown_as_it_is():
    event = Event(9, Instant(1, 0), "program_field", "clinician", 250, 3, 1 << 56 | 4, 5)
    assert [(change.words, change.old, change.new) for change in changes_of([event])] == [
        ("field 250", "4", "5")
    ]


def test_the_running_program_decodes_to_what_the_records_say(tmp_path: Path):
    """The first program's records alone give back every value of it."""
    with pump(tmp_path / "flash") as emulator, Client.connect(emulator.port) as client:
        client.commit(client.propose_program(rig.therapy()).digest)
        fields = messages.proposal_fields(messages.PROPOSAL_PROGRAM)
        running = client.running_program()
        assert running is not None
        program = decode(fields, blob := encoded(fields, running), 0, len(blob))
        got = {
            (event.code, event.a >> 56): event.b & MOST
            for event in client.events(0)
            if event.kind == "program_field"
        }
    assert got == {(NUMBERS[name], index): value for (name, index), value in flat(program).items()}
