"""The emulated chip and the unix board make the same steps of the same program, to the resolution of PIO."""

import array

import pytest

from boards.rp2040.pump import UL_PER_DAY, Pump, constant
from firmware.records.script import pump_at_day
from thecal.link.client import Client

SECONDS = 20
PIO_US = 3
pytestmark = pytest.mark.timeout(3000)


@pytest.mark.req("DEL-01", part="the chip's steps are the unix board's")
def test_the_steps_are_those_of_the_unix_board(image, tmp_path):
    trace = tmp_path / "trace"
    with pump_at_day(tmp_path / "flash", trace) as unix, Client.connect(unix.port) as client:
        client.commit(client.propose_program(constant(UL_PER_DAY)).digest)
        unix.bench.advance_by(SECONDS * 1_000_000)
    expected = array.array("Q", trace.read_bytes()).tolist()
    assert len(expected) > SECONDS * 4
    chip = Pump(image)
    chip.begin()
    chip.chip.run_for(SECONDS)
    made = chip.rises_us()[: len(expected)]
    assert len(made) >= SECONDS * 4
    apart = [(at - made[0]) - (due - expected[0]) for at, due in zip(made, expected, strict=False)]
    assert max(apart) - min(apart) <= PIO_US
