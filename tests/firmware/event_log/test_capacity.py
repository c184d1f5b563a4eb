"""Three rings: each keeps what it promises, whatever floods the others; and a full log comes down fast."""

from pathlib import Path

import pytest

from conftest import Runner
from firmware.event_log.helpers import pump, whole_log
from firmware.event_log.image import DOSES, EVENTS, FAULTS, Image
from thecal.link.client import Client

SCRIPT = Path(__file__).parent / "scripts" / "months.py"
KEY = bytes(range(16))  # which the script gives the log
STOPPED, REFUSED, ALARM, FAILED_AUTHENTICATION = "5:3:0", "16:2:32", "14:0:4", "45:0:2"
MONTH = ("31", "48", "24")  # days; periodic and patient boluses a day
DOSES_A_MONTH = 31 * 2 * (48 + 24)


Rings = list[tuple[int, int, int]]  # of each: its oldest number, its newest, how many


def written(run: Runner, flash: Path, *floods: str) -> Rings:
    """A flash with a month of log, flooded besides, every day, as the script says."""
    done = run(SCRIPT, str(flash), *MONTH, *floods)
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]  # type: ignore[misc]


def boluses(flash: Path, ring: str) -> int:
    """How many records of boluses a ring holds."""
    return sum(record.kind in (7, 8) for record in Image(flash).records(ring))


@pytest.mark.req("REC-03", "REC-07")
def test_a_month_of_doses_stays_whatever_is_stopped_or_refused(run_micropython: Runner, tmp_path: Path):
    flash = tmp_path / "flash"
    _, _, doses = written(run_micropython, flash, STOPPED + ":300", REFUSED + ":60")
    assert doses[0] == 2  # the first record of all but the boot
    assert boluses(flash, DOSES) == DOSES_A_MONTH
    assert doses[2] <= 5100
    assert boluses(flash, EVENTS) == 0


@pytest.mark.req("REC-02", "REC-03", "REC-04", part="after floods of everything, a whole log in its chain")
@pytest.mark.req("SEC-19", part="a whole log right after a reset")
def test_a_flood_of_one_ring_evicts_nothing_of_another(run_micropython: Runner, tmp_path: Path):
    """As many records as there can be; a pump boots on them and tells them all."""
    flash = tmp_path / "flash"
    floods = (ALARM + ":50", FAILED_AUTHENTICATION + ":150", STOPPED + ":40")
    events, faults, doses = written(run_micropython, flash, *floods)
    assert 4096 <= events[2] < 31 * 150 + 24 * 31
    assert 1024 <= faults[2] < 31 * 50
    assert boluses(flash, DOSES) == DOSES_A_MONTH
    with pump(flash) as emulator, Client.connect(emulator.port) as client:
        state = client.log_state()
        assert [ring.first for ring in (state.events, state.faults, state.doses)] == [
            ring[0] for ring in (events, faults, doses)
        ]
        told = whole_log(client, KEY)
        assert len(told) >= events[2] + faults[2] + doses[2]
        assert len(client.events(told[3000].sequence, count=9)) == 9
        only = client.events(doses=True)
        assert only == [event for event in told if event.ring == "doses"]
        assert sum(event.kind.startswith("bolus_") for event in only) == DOSES_A_MONTH
    assert all(record.whole for ring in (EVENTS, FAULTS) for record in Image(flash).records(ring))
