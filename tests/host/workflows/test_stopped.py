"""`thecal stop` stops first, and then says what it means."""

import pytest

from host.cli.conftest import MORPHINE, Thecal, program
from thecal.emulator.emulator import Emulator


@pytest.mark.parametrize(("name", "warned"), [("morphine-constant", False), ("baclofen-night-rise", True)])
def test_what_a_stop_means(quick_thecal: Thecal, name: str, warned: bool):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE.with_name(f"{name}.toml"))
        done = quick_thecal("stop", port=emulator.port)
        assert done.code == 0, done.err
        assert "stopped" in done.out
        assert "longer than 30 min" in done.err
        assert ("a sudden end of baclofen is dangerous" in done.err) == warned
