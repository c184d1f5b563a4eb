"""Flash that refuses writes, wears out, or has bits that stick: therapy goes on as far as it is on record."""

import array
import contextlib
from pathlib import Path

import pytest

from firmware.records.cut_checks import RESERVE_STEPS, digest
from firmware.records.reader import Records
from firmware.records.script import CONSTANT, FLEX, HOUR_S, MINUTE_S, US, play, pump_at_day
from firmware.records.script import DAY as ACTS
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.session import Session
from thecal.link.transport import Transport

STORAGE = 3  # thecal_protocol.messages.ALARMS
FAULT = 23
FAULT_STORAGE = 2
LOG_ALARMS = {("alarm_raised", 2), ("alarm_cleared", 2)}  # that the log cannot be written either


def events(client: Client, kind: str) -> list[int]:
    """Codes of the records of a kind, but for what the log says about itself."""
    return [e.code for e in client.events(0) if e.kind == kind and (kind, e.code) not in LOG_ALARMS]


@pytest.mark.req("INT-04", "INT-06", part="flash that refuses every write")
def test_therapy_ends_with_its_reservation(tmp_path: Path):
    flash = tmp_path / "flash"
    with pump_at_day(flash) as pump:
        play(pump, ACTS[:2], 600)
        before = flash.read_bytes()
        on_record = Records(before).ledger().steps
        pump.bench.flash_fails()
        with Client.connect(pump.port) as client:
            pump.bench.advance_by(10 * MINUTE_S * US)
            assert client.status().state == "infusing"
            with pytest.raises(Refused, match="storage"):
                client.commit(client.propose_program(FLEX).digest)
            assert client.status().program_digest == digest(CONSTANT)
            assert client.status().alarms == 2  # the log fails too
            pump.bench.advance_by(2 * HOUR_S * US)
            made = pump.bench.truth().steps
            assert on_record - 64 <= made <= on_record
            assert client.status().state == "fault"
            assert client.accounts().steps == made
            pump.bench.advance_by(2 * HOUR_S * US)
            assert pump.bench.truth().steps == made
            pump.bench.flash_fails(False)  # too late: the fault stays; the log tells
            pump.bench.advance_by(2 * HOUR_S * US)
            assert pump.bench.truth().steps == made
            assert client.status().state == "fault"
            assert events(client, "alarm_raised") == [STORAGE, FAULT]
            assert FAULT_STORAGE in events(client, "fault")
        # Nothing is saved after the fault. What littlefs could not write before it may reach the flash once
        # that works again (its cache holds it): a whole ledger of before the fault, on the safe side.
        after = Records(flash.read_bytes()).ledger()
        assert after == Records(before).ledger() or after.now_us < 40 * MINUTE_S * US
        assert made <= after.steps <= made + RESERVE_STEPS
        pump.restart()
        with Client.connect(pump.port) as client:
            assert client.status().state == "infusing"
            assert made <= client.accounts().steps <= made + RESERVE_STEPS


def test_a_flash_that_recovers_in_time_costs_no_step(tmp_path: Path):
    """Writes fail for a while: the alarm comes and goes, every step is made in its microsecond."""
    times: list[list[int]] = []
    for number, fails in enumerate((False, True)):
        trace = tmp_path / f"trace-{number}"
        with pump_at_day(tmp_path / f"flash-{number}", trace) as pump, Client.connect(pump.port) as client:
            client.commit(client.propose_program(CONSTANT).digest)
            pump.bench.flash_fails(fails)
            pump.bench.advance_to(25 * MINUTE_S * US)
            pump.bench.flash_fails(False)
            pump.bench.advance_to(3 * HOUR_S * US)
            assert events(client, "alarm_raised") == [STORAGE] * fails
            assert events(client, "alarm_cleared") == [STORAGE] * fails
            assert client.status().alarms == 0
            steps = client.accounts().steps
        times.append(array.array("Q", trace.read_bytes()).tolist())
        assert len(times[-1]) == steps
        assert steps <= Records((tmp_path / f"flash-{number}").read_bytes()).ledger().steps
    assert times[0] == times[1]


@pytest.mark.req("INT-04", part="a flash that fails from the start")
def test_a_blank_flash_that_fails(tmp_path: Path):
    """No key can be kept, so nobody gets in; the alarm shows all the same, and with the flash comes the
    pump."""
    with pump_at_day(tmp_path / "flash", flash_fails=1) as pump:
        with pytest.raises(Refused, match="auth: storage"):
            Client.connect(pump.port)
        with Transport(pump.port) as line:
            assert Session(line).greet().alarm == 2
        pump.bench.advance_by(HOUR_S * US)
        assert pump.bench.truth().steps == 0
    with pump_at_day(tmp_path / "flash") as pump, Client.connect(pump.port) as client:
        assert client.status().state == "unprogrammed"


@pytest.mark.req("INT-04", part="a flash that reads but does not write, from the start")
def test_our_records_on_a_flash_that_fails(tmp_path: Path):
    """They are read, but no step can be put on record: none is made."""
    flash = tmp_path / "flash"
    with pump_at_day(flash) as pump:
        play(pump, ACTS[:2], 600)
    with pump_at_day(flash, flash_fails=1) as pump, Client.connect(pump.port) as client:
        assert client.status().state == "fault"
        pump.bench.advance_by(HOUR_S * US)
        assert pump.bench.truth().steps == 0
        pump.bench.flash_fails(False)
        pump.bench.advance_by(120 * US)
        assert events(client, "alarm_raised") == [STORAGE, FAULT]


@pytest.mark.req("BOL-08", part="a bolus that cannot be put on record is not given")
def test_no_patient_bolus_without_a_record(tmp_path: Path):
    with pump_at_day(tmp_path / "flash") as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(CONSTANT).digest)
        pump.bench.advance_to(3 * HOUR_S * US)
        pump.bench.flash_fails()
        with pytest.raises(Refused, match="storage"):
            client.patient_bolus()
        assert client.status().bolus is None
        pump.bench.flash_fails(False)
        client.patient_bolus()


def test_a_refill_that_cannot_be_put_on_record_did_not_happen(tmp_path: Path):
    with pump_at_day(tmp_path / "flash") as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(CONSTANT).digest)
        pump.bench.advance_to(3 * HOUR_S * US)
        pump.bench.flash_fails()
        left = client.accounts().reservoir_pl
        with pytest.raises(Refused, match="storage"):
            client.commit(client.propose_refill(20_000_000_000, 0).digest)
        assert client.accounts().reservoir_pl == left


def run_on(pump: Emulator) -> tuple[str, int, int]:
    """Six hours with two commits: state, steps, alarms."""
    with Client.connect(pump.port) as client:
        pump.bench.advance_by(HOUR_S * US)
        for program in (FLEX, CONSTANT):
            with contextlib.suppress(Refused):
                client.commit(client.propose_program(program).digest)
            pump.bench.advance_by(HOUR_S * US)
        pump.bench.advance_by(3 * HOUR_S * US)
        status = client.status()
        assert client.accounts().steps >= pump.bench.truth().steps
        return status.state, pump.bench.truth().steps, status.alarms


@pytest.mark.parametrize("fails", [False, True], ids=["silently", "with an error"])
@pytest.mark.parametrize("blocks", [(0,), (1,), (2, 3, 350, 351), (0, 1)], ids=str)
def test_blocks_that_no_longer_erase(blocks: tuple[int, ...], fails: bool, tmp_path: Path):
    """Littlefs works around some; when it cannot, the alarm stands and therapy ends with its reservation."""
    with pump_at_day(tmp_path / "flash") as pump:
        play(pump, ACTS[:2], 60)
        for block in blocks:
            pump.bench.flash_worn_block(block, fails=fails)
        state, steps, alarms = run_on(pump)
        assert (state, alarms) in (("infusing", 0), ("infusing", 1), ("fault", 2))
        assert steps > (10_000 if state == "infusing" else 500)
        pump.kill()
        pump.restart()
        with Client.connect(pump.port) as client:
            assert client.status().state in ("infusing", "unprogrammed")
            assert client.accounts().steps >= steps or client.status().state == "unprogrammed"


@pytest.mark.parametrize("place", [5, 300, 4096 + 40, 4096 + 700, 2 * 4096 + 9])
@pytest.mark.parametrize("value", [0, 1])
def test_a_bit_that_sticks(place: int, value: int, tmp_path: Path):
    with pump_at_day(tmp_path / "flash") as pump:
        play(pump, ACTS[:2], 60)
        pump.bench.flash_stuck_bit(place, 3, value)
        state, _, alarms = run_on(pump)
        assert (state, alarms) in (("infusing", 0), ("infusing", 1), ("fault", 2))
