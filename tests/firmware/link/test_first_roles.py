"""An emulated pump pairs by itself in whatever role comes first."""

import pytest

from thecal.emulator.emulator import Emulator
from thecal.eventlog.repeats import count_of
from thecal.link.client import Client


@pytest.mark.parametrize("role", ["observer", "patient", "manufacturer"])
def test_a_pump_that_no_clinician_has_paired_with(role: str):
    with Emulator(seed=1, provisioned=False) as pump:
        with Client.connect(pump.port, role=role) as client:
            assert client.status().state == "unprogrammed"
        with Client.connect(pump.port) as client:
            paired = [event.code for event in client.events() if event.kind == "paired"]
            opened = [event.actor for event in client.events() if count_of(event, "session_opened")]
    assert len(paired) == 2
    assert paired[0] == 3
    assert opened == ["clinician", role, "clinician"]
