"""What the tests of guided workflows share."""

from typing import Any

from thecal.emulator.emulator import Emulator
from thecal.link.client import Client


def running(emulator: Emulator) -> dict[str, Any]:
    with Client.connect(emulator.port) as client:
        found = client.running_program()
    assert found is not None
    return found


NEW = ('"20 mg/mL"', '"10 mg/mL"')
