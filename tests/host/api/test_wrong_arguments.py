"""Whatever a call of the Python API is given, what it raises is a ThecalError in one line."""

import datetime
import inspect
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.one_pump import MORPHINE
from thecal import Emulator, Pump, ThecalError
from thecal.errors import Refused, WrongArgument
from thecal.link.client import Client

RIGHT: dict[str, Any] = {
    "dose": "0.2 mg",
    "over": "10 min",
    "volume": "40 mL",
    "residual": "1 mL",
    "therapy": MORPHINE,
    "dry": False,
    "implant": False,
}
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1 << 40,
    1.5,
    math.nan,
    "",
    "x",
    "5 min",
    "-5 min",
    "0.2 mg\0",
    "\udc80",
    "1e999 mg",
    "9" * 5000 + " mg",
    b"x",
    [],
    {},
    object(),
    Path("/nonexistent"),
    datetime.datetime(1, 1, 1),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    datetime.date(9999, 12, 31),
]


def calls() -> Iterator[tuple[str, list[str]]]:
    """Every public method that takes something, and what."""
    for name, method in inspect.getmembers(Pump, inspect.isfunction):
        words = [word for word in inspect.signature(method).parameters if word != "self"]
        if words and not name.startswith("_"):
            yield name, words


def lines_of(call: Callable[[], object]) -> int:
    """Of what the call raises, if it raises something that is ours."""
    try:
        call()
    except ThecalError as error:
        return str(error).count("\n") + 1
    return 1


@pytest.mark.req("HOST-20", part="every parameter of every public method of Pump")
def test_a_wrong_argument_is_a_thecal_error(pump: Pump):
    assert len(list(calls())) > 6
    for name, words in calls():
        parameters = inspect.signature(getattr(Pump, name)).parameters.values()
        right = {p.name: RIGHT[p.name] for p in parameters if p.default is p.empty and p.name != "self"}
        for word in words:
            for wrong in WRONG:
                given = {**right, word: wrong}
                assert lines_of(lambda given=given, name=name: getattr(pump, name)(**given)) == 1, given
        with pytest.raises(WrongArgument, match="unexpected keyword argument"):
            getattr(pump, name)(**right, nothing=1)


@pytest.mark.req("HOST-20", part="the making of a Pump and an Emulator")
@pytest.mark.parametrize("made", [Pump, Emulator])
def test_what_is_made_of_wrong_arguments(made: Any, emulator: Emulator):
    for word in inspect.signature(made).parameters:
        for wrong in (5, b"x", object(), "\udc80", [], 1.5):
            if (word, type(wrong)) not in (("seed", int), ("speed", int)):
                given: dict[str, Any] = {"port": emulator.port} if made is Pump else {}
                given[word] = wrong
                with pytest.raises(ThecalError):
                    made(**given)


@pytest.mark.req("HOST-20", part="zero is no amount left out")
def test_what_is_not_said_is_an_empty_text_and_nothing_else(pump: Pump):
    for call in (
        lambda: pump.stop(0),  # pyright: ignore[reportArgumentType]
        lambda: pump.propose_refill("40 mL", residual="1 mL", measured=0),  # pyright: ignore[reportArgumentType]
        lambda: pump.propose_prime(dry="no", implant=False),  # pyright: ignore[reportArgumentType]
    ):
        with pytest.raises(ThecalError):
            call()
    assert pump.state == "infusing"


@pytest.mark.req("HOST-20", part="values in wire units that no frame holds")
def test_the_layer_below_sends_no_value_that_does_not_fit(pump: Pump):
    for call in (
        lambda: pump.client.stop(resume_after_s=-1),
        lambda: pump.client.propose_bolus(1 << 64, 1),
        lambda: pump.client.events(first="x"),  # pyright: ignore[reportArgumentType]
    ):
        with pytest.raises(WrongArgument, match="cannot be sent"):
            call()
    assert pump.client.status().state == "infusing"


@pytest.mark.req("HOST-20", part="abort() of every proposal")
def test_every_proposal_can_be_withdrawn(pump: Pump):
    for propose in (
        lambda: pump.propose_bolus("0.2 mg", over="10 min"),
        lambda: pump.propose_refill("40 mL", residual="1 mL"),
        lambda: pump.propose_clock(offset="+5 min"),
        lambda: pump.propose_program(MORPHINE),
    ):
        proposed = propose()
        proposed.abort()
        with pytest.raises(Refused, match="no_proposal"):
            proposed.commit()


def test_a_client_of_ones_own_is_taken(emulator: Emulator):
    with Client.connect(emulator.port) as client, Pump(emulator.port, client=client) as pump:
        assert pump.client is client
