"""A host in the process that runs the pump is told when no answer will come, and does not wait for it."""

import time

import pytest

from thecal.emulator.emulator import Emulator
from thecal.errors import LinkError
from thecal.link import transport
from thecal.link.client import Client

_A_REAL_LINE_S = 5.0  # twenty tries of a quarter of a second


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each look at the line was allowed to take."""
    found: list[float] = []
    read = transport.Transport._read

    def noted(self: transport.Transport, timeout_s: float) -> bytes:
        found.append(timeout_s)
        return read(self, timeout_s)

    monkeypatch.setattr(transport.Transport, "_read", noted)
    return found


def test_a_dead_pump_is_noticed_without_waiting(waits: list[float]):
    with Emulator(seed=1) as pump, Client.connect(pump.port, tries=20) as client:
        pump.kill()
        waits.clear()
        with pytest.raises(LinkError, match=r"no answer from .* \(stop was sent 20 times in [0-9.]+ s\)"):
            client.stop()
        assert sum(waits) < _A_REAL_LINE_S / 2


def test_a_lost_frame_is_sent_again_without_waiting(waits: list[float]):
    """On a clock that stands still the pump has said all that it will say."""
    with Emulator(seed=1) as pump, Client.connect(pump.port, tries=20) as client:
        pump.bench.link_noise(3000)
        waits.clear()
        for _ in range(30):
            client.status()
        assert pump.bench.truth().flipped_bits > 10
        assert max(waits) < 0.1


def test_a_pump_whose_clock_runs_gets_the_time_of_a_real_line(waits: list[float]):
    with Emulator(seed=1, clock="real") as pump, Client.connect(pump.port, tries=1) as client:
        pump.bench.link_noise(2)
        waits.clear()
        began = time.monotonic()
        with pytest.raises(LinkError):
            client.status()
        assert time.monotonic() - began >= 0.25


def test_the_probe_goes_with_the_pump():
    with Emulator(seed=1) as pump:
        assert pump.port in transport._probes
    assert pump.port not in transport._probes
