"""Fixtures of the board's tests: one board worked by hand, shared by a whole module."""

from collections.abc import Iterator

import pytest

from boards.unix.remote import Remote, remote_emulator


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    """A board on a virtual clock. Tests share it: times and counts are taken relative to its now."""
    with remote_emulator(seed=1) as emulator, Remote(emulator) as board:
        yield board
