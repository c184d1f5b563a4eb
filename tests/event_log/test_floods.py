"""Whatever is asked of the pump, by whom and however often: 30 days of doses stay (REC-07)."""

import os
from collections import Counter
from pathlib import Path

import pytest

from conftest import Runner
from event_log.helpers import DAY, HOUR, program, pump, whole_log
from event_log.test_capacity import DOSES_A_MONTH, KEY, written
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.errors import Refused
from thecal.event_repeats import count_of, requests_of
from wire import framing, roles
from wire.messages import REFUSALS, STOP
from wire.secure import TAG_SIZE

SOAK = bool(os.environ.get("THECAL_SOAK"))
TIMES = 5_200 if SOAK else 6
HALF_THE_PLACES = 128  # of what is no bolus of the program's or the patient's, after a reset
ROLES = [name for _, name in roles.ROLES]


@pytest.fixture(scope="module")
def month(run_micropython: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash with 31 days of boluses."""
    flash = tmp_path_factory.mktemp("month") / "flash"
    written(run_micropython, flash)
    return flash


def send(client: Client, opcode: int) -> int | None:
    """A request with an empty payload, as fast as can be; its result, None: no answer."""
    session, link = client._session, client._session.link
    session._seq += 1
    buffer = bytearray(framing.FRAME_SIZE)
    size = framing.seal_secured(
        buffer, framing.REQUEST_AT, 0, session._session, session._seq, opcode, session._sealer
    )
    link.send(b"\0" + bytes(buffer[:size]))
    if not link.receive(5):
        return None
    reader = link.reader
    if not reader.flags & framing.FLAG_SECURED:
        return reader.result
    assert session._opener.open(reader.buffer, reader.payload_end)
    assert reader.payload_end - TAG_SIZE >= framing.REQUEST_AT
    return reader.buffer[framing.TEXT_AT]


def ask_everything(emulator: Emulator, times: int) -> Counter[int | None]:
    """Each role sends each of the requests that there are so often, and opens as many sessions."""
    results = Counter[int | None]()
    for role in ROLES:
        for row in roles.ACCESS:
            with Client.connect(emulator.port, role=role) as client:
                for _ in range(times):
                    results[send(client, row[0])] += 1
            emulator.bench.advance_by(60_000_000)  # a session a minute
    return results


@pytest.mark.req("REC-07", "REC-01", part="every kind of request by each role")
def test_every_request_by_each_role(month: Path, tmp_path: Path):
    flash = tmp_path / "flash"
    flash.write_bytes(month.read_bytes())
    with pump(flash) as emulator:
        with Client.connect(emulator.port) as client:
            program(client, periodic_boluses=[])
            before = client.log_state()
        ask_everything(emulator, TIMES)
        with Client.connect(emulator.port) as client:
            once = client.log_state()
        ask_everything(emulator, 2 * TIMES)
        with Client.connect(emulator.port) as client:
            twice = client.log_state()
            log = whole_log(client, KEY)
    boluses = [event for event in log if event.ring == "doses" and event.kind.startswith("bolus_")]
    assert len(boluses) >= DOSES_A_MONTH
    assert twice.doses.first == before.doses.first
    assert twice.doses.records - before.doses.records <= HALF_THE_PLACES + 2
    # twice as often costs no more records: what was done is bounded by the hours that it took
    hours = 2 + len(ROLES) * len(roles.ACCESS) // 60
    assert twice.events.records - once.events.records <= hours * 2 * (16 + 6) + 2 * TIMES * len(ROLES)


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
