"""A pump whose button guards things, and what is asked of it, for `test_gates.py`, `test_press.py` and
`test_pairing_press.py`."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firmware.records.script import CONSTANT
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

Values = dict[str, Any]
S = 1_000_000
LIBRARY: Values = {
    "version": 5,
    "digest": bytes(8),
    "drugs": [{"max_concentration_ng_per_ml": 25_000_000, "max_dose_24h_ng": 8_000_000, "rules": 2}],
    "confirmed": [],
}


def therapy(**changes: Any) -> Values:
    """A program with every limit there is."""
    values = copy.deepcopy(CONSTANT)
    values |= {"periodic_boluses": [], "max_rate_pl_per_day": 20_000_000_000, "library": [LIBRARY]}
    values["drugs"] = [{**values["drugs"][0], "max_dose_24h_ng": 6_000_000, "max_dose_1h_ng": 1_000_000}]
    return copy.deepcopy({**values, **changes})


def drug(**changes: Any) -> list[Values]:
    return [{**therapy()["drugs"][0], **changes}]


def library(**changes: Any) -> list[Values]:
    """The library with these fields, of itself or of its drug, changed."""
    [entry] = LIBRARY["drugs"]
    own = {name: value for name, value in changes.items() if name in LIBRARY}
    return [{**LIBRARY, "drugs": [{**entry, **{k: v for k, v in changes.items() if k not in own}}], **own}]


@pytest.fixture
def pump() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def client(pump: Emulator) -> Iterator[Client]:
    """A clinician, and a pump that runs the therapy. Nobody presses."""
    with Client.connect(pump.port) as client:
        client.commit(client.propose_program(therapy()).digest)  # the first one needs no press
        yield client


def program(client: Client, **changes: Any) -> None:
    client.commit(client.propose_program(therapy(**changes)).digest)


def refill(client: Client) -> None:
    """On record; needs no press."""
    client.commit(client.propose_refill(40_000_000_000, 39_000_000_000).digest)


def needs_press(action: Callable[[], object]) -> None:
    with pytest.raises(Refused) as refused:
        action()
    assert refused.value.name == "needs_button"


def implant(client: Client) -> None:
    client.set_implant_flag()
