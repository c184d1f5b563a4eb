"""What a program does to a pump that does not infuse: the review's first line says it, and the question."""

import json
from pathlib import Path

import pytest

from host.cli.conftest import MORPHINE, Thecal, changed, program
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client


@pytest.fixture
def stopped(therapy: Emulator) -> Emulator:
    with Client.connect(therapy.port) as client:
        client.stop()
    return therapy


def state(emulator: Emulator) -> str:
    with Client.connect(emulator.port) as client:
        return client.status().state


STARTS = (
    "THE PUMP IS STOPPED. This program ends the stop: delivery starts at once, with 2.4 mg/day of morphine."
)


@pytest.mark.req("DEL-15")
@pytest.mark.parametrize("command", [("session", "--low-reservoir", "3 mL"), ("program", str(MORPHINE))])
def test_the_first_line_says_that_delivery_starts(
    quick_thecal: Thecal,
    stopped: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
):
    monkeypatch.chdir(tmp_path)  # a session asks where its report goes
    done = quick_thecal(*command, port=stopped.port, stdin="n\n")
    shown = done.out.splitlines()
    review = next(index for index, line in enumerate(shown) if "What the pump would do" in line)
    assert " ".join(shown[review - 1].split()) == STARTS
    assert f"Program this on {stopped.port}, which ends the stop? [y/N]" in done.err
    assert state(stopped) == "stopped"
    done = quick_thecal(*command, port=stopped.port, stdin="y\n\n")
    assert state(stopped) == "infusing"
    assert "STOPPED" not in quick_thecal(*command, port=stopped.port, stdin="n\n").out


@pytest.mark.req("DEL-15", part="a delay, another mode, the document")
def test_what_begins_is_said_by_what_the_program_is(quick_thecal: Thecal, stopped: Emulator, tmp_path: Path):
    for old, new, said in (
        ("[limits]", '[start]\ndelay = "2 h"\n\n[limits]', "delivery starts in 2 h, with 2.4 mg/day"),
        ('mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "stopped"', "only boluses will flow"),
        ('mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "minimum"', "at once, with the minimum rate"),
    ):
        done = quick_thecal("program", changed(tmp_path, old, new), port=stopped.port, stdin="n\n")
        assert said in done.out.splitlines()[0], done
    made = json.loads(quick_thecal("program", MORPHINE, "--yes", "--json", port=stopped.port).out)
    assert made["starts"] == STARTS
    made = json.loads(quick_thecal("program", MORPHINE, "--yes", "--json", port=stopped.port).out)
    assert made["starts"] is None


@pytest.mark.req("DEL-15", part="another filling, and a refill that ends an alarm")
def test_a_refill_says_what_it_does_to_a_stop(quick_thecal: Thecal, stopped: Emulator, tmp_path: Path):
    flags = ("--volume", "40 mL", "--residual", "39.9 mL")
    said = quick_thecal("refill", *flags, port=stopped.port, stdin="n\n").out
    assert "The pump stays stopped; it goes on with: thecal resume" in said
    half = changed(tmp_path, '"20 mg/mL"', '"10 mg/mL"')
    done = quick_thecal("replace", half, *flags, "--no-bridge", port=stopped.port, stdin="n\nn\nn\n")
    assert "THE PUMP IS STOPPED. This program ends the stop" in done.out
    assert state(stopped) == "stopped"


@pytest.mark.req("DEL-15", part="an alarm that holds")
def test_a_refill_that_ends_an_alarm_says_that_therapy_goes_on(quick_thecal: Thecal):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        flags = ("--volume", "40 mL", "--residual", "39.9 mL")
        assert quick_thecal("refill", *flags, "--measured", "20 mL", "--yes", port=emulator.port).code == 0
        emulator.bench.advance_by(600_000_000)
        assert state(emulator) == "halted"
        said = quick_thecal("refill", *flags, port=emulator.port, stdin="n\n").out
        assert (
            "AN ALARM HOLDS DELIVERY (pocket fill). If this refill clears it, therapy goes on at once" in said
        )
        said = quick_thecal("program", MORPHINE, port=emulator.port, stdin="n\n").out
        assert said.startswith("AN ALARM HOLDS DELIVERY (halted). This program ends a stop, if there is one")
