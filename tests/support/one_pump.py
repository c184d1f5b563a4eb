"""Fixtures of a pump through the Python API, its time in our hands; conftest.py of a folder imports them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from thecal import Pump
from thecal.emulator.emulator import Emulator

MORPHINE = Path(__file__).resolve().parents[2] / "examples" / "morphine-constant.toml"
HOUR_US = 3_600_000_000


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A blank pump of its own."""
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def pump(emulator: Emulator) -> Iterator[Pump]:
    """A pump that runs the morphine example since three hours."""
    with Pump(emulator.port) as pump:
        pump.propose_program(MORPHINE).commit()
        emulator.bench.advance_by(3 * HOUR_US)
        yield pump
