from collections.abc import Iterator

import pytest

from host.cli.conftest import MORPHINE, blank, program, pump, quick_thecal, thecal  # noqa: F401
from thecal.emulator.emulator import Emulator


@pytest.fixture
def therapy() -> Iterator[Emulator]:
    """A pump that runs the morphine example."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator
