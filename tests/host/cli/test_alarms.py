"""`thecal alarms`: what stands, since when, why and what to do. A pump whose stop lasts too long."""

import json
from collections.abc import Iterator

import pytest

from thecal.commands.alarm_texts import TEXTS
from thecal.emulator.emulator import Emulator
from thecal_protocol.alarms import ALARMS

from .conftest import MORPHINE, Thecal, program

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def paused() -> Iterator[Emulator]:
    """Stopped for an hour; its therapy allows 30 min."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        from thecal.link.client import Client

        with Client.connect(emulator.port) as client:
            client.stop()
        emulator.bench.advance_by(HOUR_US)
        yield emulator


@pytest.mark.req("ALM-01", part="every alarm has its words")
def test_every_alarm_has_its_words():
    assert set(TEXTS) == {row[1] for row in ALARMS}
    assert all(text.cause and text.do for text in TEXTS.values())


def test_no_alarm(quick_thecal: Thecal, pump: Emulator):
    assert quick_thecal("alarms", port=pump.port).out == "no alarm\n"
    document = json.loads(quick_thecal("alarms", "--json", port=pump.port).out)
    assert (document["alarms"], document["announced"], document["fault"]) == ([], None, None)


def test_an_alarm_that_stands(quick_thecal: Thecal, paused: Emulator):
    words = quick_thecal("alarms", port=paused.port).out
    assert words.startswith("max_pause  ")
    assert TEXTS["max_pause"].do in words
    (alarm,) = json.loads(quick_thecal("alarms", "--json", port=paused.port).out)["alarms"]
    assert (alarm["id"], alarm["action"], alarm["live"]) == ("max_pause", "none", True)


def test_wrong_names_and_usage(quick_thecal: Thecal, paused: Emulator):
    unknown = quick_thecal("alarms", "confirm", "low_resevoir", port=paused.port).error
    assert unknown == "there is no alarm 'low_resevoir'; those that stand: max_pause; or say all"
    assert quick_thecal("alarms").code == 2
    assert quick_thecal("alarms", "confirm", port=paused.port).code == 2


def test_a_tone_that_is_not_heard(quick_thecal: Thecal):
    with Emulator(seed=1) as emulator:
        assert quick_thecal("alarms", "test", port=emulator.port).code == 0
        emulator.bench.inject_raw("buzzer_broken")
        broken = quick_thecal("alarms", "test", "--json", port=emulator.port)
        assert json.loads(broken.out)["sounded"] is False
        assert broken.error.startswith("the buzzer was not heard; ")


def test_a_fault_is_cleared(quick_thecal: Thecal):
    """By its one document; therapy waits for `resume`."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        emulator.bench.inject_raw("planner_fault", kind="runaway")
        emulator.bench.advance_by(HOUR_US)
        fault = json.loads(quick_thecal("fault", "show", "--json", port=emulator.port).out)["fault"]
        assert quick_thecal("fault", "clear", "--json", port=emulator.port).code == 2  # it would ask
        done = quick_thecal("fault", "clear", "--yes", "--json", port=emulator.port)
        assert (done.code, done.err) == (0, "")
        document = json.loads(done.out)
        assert document.pop("text") == (
            f"{fault['id']} is cleared: the pump is stopped; it goes on with: thecal resume"
        )
        assert document.pop("outcome") == "carried_out"
        assert document == {"schema": 1, "cleared": fault["id"], "state": "stopped"}
        left = json.loads(quick_thecal("fault", "show", "--json", port=emulator.port).out)
        assert (left["state"], left["fault"]) == ("stopped", None)
        again = quick_thecal("fault", "clear", "--yes", "--json", port=emulator.port)
        assert again.out == ""
        assert again.error.startswith("no fault is latched")
        assert quick_thecal("resume", port=emulator.port).code == 0


def test_there_is_nothing_to_clear(quick_thecal: Thecal, paused: Emulator):
    assert "no fault is latched" in quick_thecal("fault", "clear", "--yes", port=paused.port).error
    assert quick_thecal("fault", "show", port=paused.port).out == "no fault is latched\n"
