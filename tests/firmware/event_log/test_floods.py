"""Whatever is asked of the pump, by whom and however often: 30 days of doses stay (REC-07)."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Runner
from firmware.event_log.helpers import DAY, HOUR, S, program, pump, whole_log
from firmware.event_log.test_capacity import DOSES_A_MONTH, KEY, written
from pump.link.budgets import FRAMES_A_S
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.eventlog.repeats import count_of, requests_of
from thecal.link.client import Client
from thecal.link.proposals import refill_values
from thecal.link.responses.pump import Event
from thecal_protocol import framing, messages, roles
from thecal_protocol.codec import INTEGER_KINDS, encoded, name_of
from thecal_protocol.messages import REFUSALS, STOP
from thecal_protocol.secure import TAG_SIZE

SOAK = bool(os.environ.get("THECAL_SOAK"))
TIMES = 2_600 if SOAK else 2  # in each of two ways and more
TURNS = 400 if SOAK else 2
ML = 1_000_000_000
HALF_THE_PLACES = 128  # of what is no bolus of the program's or the patient's, after a reset
ROLES = [name for _, name in roles.ROLES]


@pytest.fixture(scope="module")
def month(run_micropython: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash with 31 days of boluses."""
    flash = tmp_path_factory.mktemp("month") / "flash"
    written(run_micropython, flash)
    return flash


def send(client: Client, opcode: int, payload: bytes = b"") -> int | None:
    """A request with any payload, as fast as can be; its result, None: no answer."""
    session, link = client._session, client._session.link
    session._seq += 1
    buffer = bytearray(framing.FRAME_SIZE)
    end = framing.REQUEST_AT + len(payload)
    buffer[framing.REQUEST_AT : end] = payload
    size = framing.seal_secured(buffer, end, 0, session._session, session._seq, opcode, session._sealer)
    link.send(b"\0" + bytes(buffer[:size]))
    if not link.receive(5):
        return None
    reader = link.reader
    if not reader.flags & framing.FLAG_SECURED:
        return reader.result
    assert session._opener.open(reader.buffer, reader.payload_end)
    assert reader.payload_end - TAG_SIZE >= framing.REQUEST_AT
    return reader.buffer[framing.TEXT_AT]


def filled(fields: Any, most: bool) -> dict[str, Any]:
    """The lowest or the highest value of each field of a table."""
    return {
        name: ([] if not isinstance(kind, str) else b"" if kind == "bytes" else "" if kind == "str" else 0)
        if not most or not isinstance(kind, str) or kind not in INTEGER_KINDS
        else INTEGER_KINDS[kind][3]
        for name, kind in fields
    }


def payloads(opcode: int, right: bool) -> list[bytes]:
    """Of a request: as the table says, from one end of its values to the other; or not so: cut short, too
    long, and noise."""
    fields = messages.request_fields(opcode)
    good = [bytes(encoded(fields, filled(fields, most))) for most in (False, True)]
    return good if right else [good[1][:-1], good[0] + b"\0", b"\xff" * 40]


def flood(emulator: Emulator, times: int, right: bool) -> Counter[int | None]:
    """Each role sends each of the requests that there are so often, in each way, and opens as many
    sessions."""
    results = Counter[int | None]()
    for role in ROLES:
        for opcode, _ in messages.in_sessions():
            ways = payloads(opcode, right)
            with Client.connect(emulator.port, role=role) as client:
                for payload in ways * times:
                    results[send(client, opcode, payload)] += 1
            # a session a minute, and the frames of the next kind are there again
            emulator.bench.advance_by(max(60, times * len(ways) // FRAMES_A_S) * S)
    return results


def proposals(turn: int, now: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """One of each kind that the pump takes, another each time."""
    dose = 2_400_000 + turn % 1000
    stronger = [{**drug, "concentration_ng_per_ml": 20_000_000 + turn} for drug in now["drugs"]]
    other = {**now, "drugs": stronger, "basal_dose_ng_per_day": dose}
    old = now["drugs"][0]["concentration_ng_per_ml"]
    other["bridge"] = [{"dose_ng_per_day": 2_000_000, "concentration_ng_per_ml": old}]
    tapered = {**other, "bridge": [], "plan": [{"after_us": DAY, "dose_ng_per_day": dose + 1000}]}
    clock = {"absolute": 1, "day": 9500 + turn % 1000, "second": 0, "us": 0, "offset_us": 0}
    refill = refill_values(20 * ML + turn, ML)
    return [
        (messages.PROPOSAL_REFILL, refill),
        (messages.PROPOSAL_REFILL_AND_PROGRAM, {**refill, **other}),
        (messages.PROPOSAL_PROGRAM, tapered),
        (messages.PROPOSAL_CLOCK, clock),
        (messages.PROPOSAL_BOLUS, {"dose_ng": 1000, "duration_us": S, "extended": turn % 2}),
        (messages.PROPOSAL_PRIME, {"dry": 0}),
    ]


def spoilt(kind: int, values: dict[str, Any]) -> dict[str, Any]:
    """The same, in a way that the pump refuses."""
    name = next(name for name, _ in messages.proposal_fields(kind))
    wrong = {"schema": 2, "dose_ng": 0, "absolute": 2, "volume_pl": 0, "dry": 2}
    return {**values, name: wrong[name]}


class Doing:
    """A host that does whatever its role may, as often as it can: with somebody at the pump."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.done = Counter[str]()
        self.refused = Counter[str]()
        self.turn = 0

    def attempt(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
            self.done[what] += 1
        except Refused as refused:
            self.refused[f"{what} {refused.name}"] += 1

    def everything(self, role: str, now: dict[str, Any]) -> None:
        bench = self.emulator.bench
        with Client.connect(self.emulator.port, role=role) as client:
            client.button = lambda text: bench.press_button()
            self.turn += 1
            for kind, values in proposals(self.turn, now):
                name = name_of(messages.PROPOSALS, kind)
                self.attempt("skip_bridge", lambda: client.request(messages.SKIP_BRIDGE))
                self.attempt("implant", client.set_implant_flag)
                self.attempt(
                    name, lambda kind=kind, values=values: client.propose(kind, spoilt(kind, values))
                )
                self.attempt(name, lambda kind=kind, values=values: commit(client, kind, values))
                if kind == messages.PROPOSAL_PROGRAM:
                    self.attempt("cancel_plan", lambda: client.request(messages.CANCEL_PLAN))
            bench.advance_by(HOUR)
            simple = {
                "patient_bolus": client.patient_bolus,
                "stop": client.stop,
                "resume": client.resume,
                "stop a while": lambda: client.stop(resume_after_s=1),
                "confirm": client.confirm_alarm,
                "silence": client.silence_alarms,
                "test": lambda: client.test_alarm(critical=True),
                "self test": client.self_test,
                "clear fault": client.clear_fault,
                "abort": client.abort,
                "log": lambda: client.events(count=1),
            }
            for what, action in simple.items():
                self.attempt(what, action)
                self.attempt(what, action)


def commit(client: Client, kind: int, values: dict[str, Any]) -> None:
    client.commit(client.propose(kind, values).digest)


def month_of(month: Path, folder: Path) -> Path:
    flash = folder / "flash"
    flash.write_bytes(month.read_bytes())
    return flash


def doses_stay(log: list[Event]) -> None:
    boluses = [event for event in log if event.ring == "doses" and event.kind.startswith("bolus_")]
    assert len([event for event in boluses if event.boot == 1]) >= DOSES_A_MONTH


@pytest.mark.timeout(7200 if SOAK else 120)
@pytest.mark.req("REC-07", "REC-01", part="every kind of request by each role, understood and not")
@pytest.mark.parametrize("right", [True, False], ids=["encoded", "malformed"])
def test_every_request_by_each_role(month: Path, tmp_path: Path, right: bool):
    with pump(month_of(month, tmp_path)) as emulator:
        with Client.connect(emulator.port) as client:
            program(client, periodic_boluses=[])
            before = client.log_state()
            began_s = client.status().now.s
        results = flood(emulator, TIMES, right)
        with Client.connect(emulator.port) as client:
            once = client.log_state()
        flood(emulator, 2 * TIMES, right)
        with Client.connect(emulator.port) as client:
            twice = client.log_state()
            log = whole_log(client, KEY)
            hours = (client.status().now.s - began_s) // 3600 + 1
    doses_stay(log)
    assert twice.doses.first == before.doses.first
    regained = hours * 3600 // 8640 + 6 * 2 * hours  # places, and boluses of the patient as often as he may
    assert twice.doses.records - before.doses.records <= HALF_THE_PLACES + 2 + regained
    named = {name_of(REFUSALS, number) for number in results if number is not None}
    assert named >= ({"ok", "wrong_role", "out_of_range"} if right else {"malformed", "wrong_role"})
    # twice as often costs no more records: what was done is bounded by the hours that it took
    assert twice.events.records - once.events.records <= hours * 2 * (16 + 6) + 2 * TIMES * len(ROLES)


@pytest.mark.timeout(7200 if SOAK else 120)
@pytest.mark.req(
    "REC-07", part="every request that is carried out, and each refused one beside it, by each role"
)
def test_all_that_is_carried_out(month: Path, tmp_path: Path):
    """With a press for whatever wants one, which no flood from afar has."""
    with pump(month_of(month, tmp_path)) as emulator:
        with Client.connect(emulator.port) as client:
            program(client, periodic_boluses=[])
            before = client.log_state()
        doing = Doing(emulator)
        for _ in range(TURNS):
            for role in ROLES:
                with Client.connect(emulator.port) as client:
                    now = client.running_program()
                assert now is not None
                doing.everything(role, {**now, "bridge": [], "plan": []})
        with Client.connect(emulator.port) as client:
            log = whole_log(client, KEY)
            after = client.log_state()
    doses_stay(log)
    assert after.doses.first == before.doses.first
    kinds = {name for _, name, _ in messages.PROPOSALS}
    assert set(doing.done) >= kinds | {
        "stop",
        "resume",
        "patient_bolus",
        "implant",
        "skip_bridge",
        "cancel_plan",
    }
    assert {what.split()[0] for what in doing.refused} >= kinds


@pytest.mark.req("REC-01", part="what repeats is one record with its count, the first and the last time")
@pytest.mark.req("REC-08")
def test_refused_stops_with_the_patients_key_are_two_records(tmp_path: Path):
    times = 5_200 if SOAK else 520
    with pump(tmp_path / "flash") as emulator:
        with Client.connect(emulator.port) as client:
            program(client, periodic_boluses=[])
            key = client.log_key()
        emulator.bench.advance_by(2 * HOUR)
        with Client.connect(emulator.port, role="patient") as patient:
            patient.patient_bolus()
            for index in range(times):
                assert send(patient, STOP) == _number("wrong_role")
                if index == times // 2:
                    emulator.bench.advance_by(10_000_000)
            for _ in range(3):
                with pytest.raises(Refused, match="running"):
                    patient.patient_bolus()
        with Client.connect(emulator.port) as client:
            log = whole_log(client, key)
            stops = [event for event in log if event.kind == "command_refused" and event.code == STOP]
            assert len(stops) == 1
            told = [event for event in log if event.kind == "repeated" and event.code == STOP]
            assert [event.ref for event in told] == [times - 1]
            assert told[0].actor == "patient"
            assert told[0].a >> 32 == (told[0].a & 0xFFFFFFFF) + 10
            assert sum(count_of(event, "bolus_refused") for event in log) == 3
            asked = [found for event in log if (found := requests_of(event))]
            assert [(found.given, found.refused) for found in asked] == [(1, 3)]
            assert asked[0].hour_s == 7200
            emulator.bench.advance_by(DAY)
            assert client.events(log[-1].sequence + 1)  # goes on, in its chain
            whole_log(client, key)


@pytest.mark.req("REC-01", part="counts come by themselves when the hour is over, without allocating")
def test_what_was_counted_is_told_after_an_hour(tmp_path: Path):
    with pump(tmp_path / "flash") as emulator, Client.connect(emulator.port) as client:
        program(client, periodic_boluses=[])
        for _ in range(20):
            with pytest.raises(Refused):
                client.clear_log()
        reached = client.status().next_event
        emulator.bench.advance_by(2 * HOUR, locked=True)
        log = client.events(reached)
        assert [(event.kind, event.ref) for event in log if event.kind == "repeated"] == [("repeated", 19)]
        assert log[0].at.s - 3600 <= 150


def _number(name: str) -> int:
    return next(number for number, each in REFUSALS if each == name)
