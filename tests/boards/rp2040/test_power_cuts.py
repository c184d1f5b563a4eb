"""The emulated chip loses its power in the middle of an operation of its flash, and starts again.

The script: a program is committed, steps are made, delivery is stopped. Every operation takes a boot of its
own, in a copy of the process; by itself the test takes some of them, with THECAL_SOAK=1 all.
"""

import os

import pytest

from boards.rp2040.chip import Chip, ChipStopped
from boards.rp2040.copies import in_a_copy
from boards.rp2040.link import KEYS, client_on
from boards.rp2040.outside import Edges
from boards.rp2040.pump import STEP_PIN, UL_PER_DAY, Pump, constant
from thecal.errors import ThecalError

AFTER_S = 2
SOME = 3
pytestmark = pytest.mark.timeout(20_000 if os.environ.get("THECAL_SOAK") else 3000)


def script(pump: Pump) -> bytes:
    """What is cut short; the program's digest."""
    digest = pump.client.propose_program(constant(UL_PER_DAY)).digest
    pump.client.commit(digest)
    pump.chip.run_for(AFTER_S)
    pump.client.stop()
    return digest


@pytest.fixture(scope="module")
def pump(image):
    return Pump(image)


@pytest.mark.req("INT-06", part="power cuts at the flash's operations on the emulated chip")
def test_every_cut_leaves_the_old_or_the_new(pump, image):
    operations = count(pump)
    assert operations > 5
    chosen = range(operations) if os.environ.get("THECAL_SOAK") else spread(operations, SOME)
    for number in chosen:
        cut(pump, image, number)


def spread(total: int, some: int) -> list[int]:
    """Some numbers below the total, the first and the last among them."""
    return [each * (total - 1) // (some - 1) for each in range(some)]


def count(pump: Pump) -> int:
    """How many operations the script takes, in a copy."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = pump.chip.flash.operations
        script(pump)
        os.write(writer, str(pump.chip.flash.operations - before).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        found = int(told.read())
    os.wait()
    return found


@in_a_copy
def cut(pump: Pump, image, number: int) -> None:
    """The operation of this number is torn; then the pump starts again."""
    flash = pump.chip.flash
    flash.cut_at = flash.operations + number
    flash.cut_part = (0.0, 0.3, 0.7, 1.0)[number % 4]
    with pytest.raises((ThecalError, ChipStopped)):
        script(pump)
    assert flash.off
    made = len(pump.edges.rises)
    chip = Chip(image, flash=pump.chip.flash_files())
    chip.wire_up()
    chip.unplug()
    edges = Edges(chip.mcu, chip.clock, STEP_PIN)
    with client_on(chip, dict(KEYS)) as client:
        status = client.status()
        assert status.state in ("unprogrammed", "infusing", "stopped")
        assert status.alarms == 0
        assert status.steps >= made  # none is ever given that is not on record
        assert bool(status.program_digest) == (status.state != "unprogrammed")
        before = len(edges.rises)
        chip.run_for(AFTER_S)
        assert (len(edges.rises) > before) == (status.state == "infusing")
        assert [event.kind for event in client.events(0)].count("boot") >= 1
