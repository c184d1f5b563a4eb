"""The board conformance suite on the unix board, on virtual and on real time."""

import pytest

from boards.unix.remote import SCRIPTS


@pytest.mark.parametrize("clock", ["free", "real", "scaled"])
def test_the_unix_board_conforms(run_micropython, clock):
    done = run_micropython(SCRIPTS / "run_conformance.py", "bench=off", f"clock={clock}", check=False)
    assert done.stderr == ""
    assert done.returncode == 0
