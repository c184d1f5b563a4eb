"""The log from the outside: what is in it, what can be asked for, what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.event_log.helpers import DAY, HOUR, flood_events, program, pump, whole_log
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal_protocol import codec, messages


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with pump(tmp_path / "flash") as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with Client.connect(emulator.port) as client:
        yield client


@pytest.mark.req("REC-01", part="sequence, time and actor of what happens in two days")
def test_what_happens_is_logged_once_in_order(tmp_path: Path):
    with pump(tmp_path / "flash", provisioned=0) as emulator, Client.connect(emulator.port) as client:
        two_days_in_order(emulator, client)


def two_days_in_order(emulator: Emulator, client: Client) -> None:
    key = client.log_key()
    program(client)
    emulator.bench.advance_by(2 * HOUR)
    client.patient_bolus()
    emulator.bench.advance_by(HOUR // 6)
    with pytest.raises(Refused, match="lockout"):
        client.patient_bolus()
    client.stop(resume_after_s=600)
    emulator.bench.advance_by(2 * DAY)
    events = whole_log(client, key)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events[:7]] == [
        "boot",
        "reference_time",
        "log_begun",
        "self_tested",
        "pairing_begun",
        "paired",
        "session_opened",
    ]
    by_kind = {event.kind: event for event in events}
    assert by_kind["session_opened"].actor == "clinician"
    assert by_kind["program_committed"].actor == "clinician"
    assert by_kind["bolus_refused"].actor == "clinician"  # who asked in the patient's place
    assert by_kind["bolus_refused"].at.s == 7200 + 600
    assert by_kind["command_refused"].b == codec.number_of(messages.REFUSALS, "lockout")
    started = [event for event in events if event.kind == "bolus_started"]
    ended = [event for event in events if event.kind in ("bolus_delivered", "bolus_cut_short")]
    assert len(started) == len(ended) > 8
    assert by_kind["resumed"].at.s == 7200 + 600 + 600


@pytest.mark.req("REC-06")
def test_reference_times_at_boot_clock_change_and_every_day(emulator: Emulator, client: Client):
    client.commit(client.propose_clock(9501, 3_600, 250).digest)
    emulator.bench.advance_by(3 * DAY + HOUR)
    emulator.restart()
    client.hello()
    reference = [event for event in client.events() if event.kind == "reference_time"]
    assert [event.code for event in reference] == [1, 2, 3, 3, 3, 1]
    assert [(event.ref, event.a, event.b) for event in reference[1:5]] == [
        (9501 + day, 3_600, 250) for day in range(4)
    ]
    assert [event.at.s for event in reference[1:5]] == [86_400 * day for day in range(4)]
    boot = reference[5]  # the time at which the pump went on is the last that it had saved
    assert (boot.ref - 9501) * 86_400 + boot.a - 3_600 == boot.at.s
    assert 3 * 86_400 < boot.at.s <= 3 * 86_400 + 3_600


def test_questions_for_a_part_of_the_log(client: Client):
    program(client)
    flood_events(client, 40)
    everything = client.events()
    last = everything[-1].sequence
    assert client.events(0) == everything
    assert client.events(last + 1) == []
    assert [event.sequence for event in client.events(7, 19)] == list(range(7, 20))
    assert [event.sequence for event in client.events(9, count=5)] == list(range(9, 14))
    assert client.events(count=3) == everything[:3]
    assert client.events(faults=True) == []


@pytest.mark.req("REC-02", part="faults can be had by themselves")
def test_faults_alone(emulator: Emulator, client: Client):
    program(client, max_pause_s=60)
    client.stop()
    emulator.bench.advance_by(HOUR)
    client.resume()
    faults = client.events(faults=True)
    assert [event.kind for event in faults] == ["alarm_raised", "alarm_cleared"]
    assert faults == [event for event in client.events() if event.kind.startswith("alarm")]
    assert client.events(faults[1].sequence, faults=True) == faults[1:]


@pytest.mark.req("REC-04", part="records are never deleted")
def test_deleting_is_refused_by_name_and_logged(client: Client):
    before = client.events()
    with pytest.raises(Refused) as refused:
        client.clear_log()
    assert refused.value.name == "append_only"
    assert client.events()[: len(before)] == before
    assert (client.events()[-1].kind, client.events()[-1].code) == ("command_refused", messages.LOG_CLEAR)


def test_the_key_is_told_to_clinicians_and_the_manufacturer(emulator: Emulator, client: Client):
    key = client.log_key()
    assert len(key) == 16
    program(client)
    emulator.restart()
    client.hello()
    assert client.log_key() == key
    client.close()
    with Client.connect(emulator.port, role="manufacturer") as manufacturer:
        assert manufacturer.log_key() == key
    for role in ("patient", "observer"):
        with Client.connect(emulator.port, role=role) as other, pytest.raises(Refused) as refused:
            other.log_key()
        assert refused.value.name == "wrong_role"


@pytest.mark.req("REC-01", part="numbers go on over resets, and so do boots")
def test_numbers_and_boots_go_on_over_restarts(emulator: Emulator, client: Client):
    key = client.log_key()
    before = whole_log(client, key)
    for boot in range(2, 6):
        if boot % 2:
            emulator.kill()
        emulator.restart({"reset_cause": 3})
        client.hello()
        events = whole_log(client, key)
        assert events[: len(before)] == before
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        new = events[len(before) :]
        assert (new[0].kind, new[0].boot, new[0].code) == ("boot", boot, 3)
        before = events


@pytest.mark.req("REC-06", part="a boot says how long recovery took")
def test_recovery_is_measured(tmp_path: Path):
    with Emulator(clock="real", flash=tmp_path / "flash") as emulator:
        with Client.connect(emulator.port) as client:
            program(client)
            flood_events(client, 100)
        emulator.restart()
        with Client.connect(emulator.port) as client:
            boot = [event for event in client.events() if event.kind == "boot"][-1]
    assert boot.boot == 2
    assert 0 < boot.b < 2_000_000
