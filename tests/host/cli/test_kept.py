"""What is accepted is kept, from the command line: the clock, refills, and bounds in a person's units."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.pressing import presses
from thecal.commands import program as programming
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

from .conftest import MORPHINE, Thecal, changed, program

HOUR_US = 3_600_000_000
REFILL = ("refill", "--volume", "40 mL", "--residual", "40 mL", "--yes")


@pytest.fixture
def fresh() -> Iterator[Emulator]:
    """A pump that was never programmed, and whose clock was never set."""
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    """A pump that runs the morphine example; nothing of it is changed."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


def status(thecal: Thecal, pump: Emulator) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(thecal("status", "--json", port=pump.port).out)
    return document


def from_now_s(document: dict[str, Any]) -> float:
    """How far the pump's local time is from this computer's."""
    return abs((datetime.fromisoformat(document["local_time"]) - datetime.now()).total_seconds())


def cut(pump: Emulator) -> None:
    pump.bench.power_cut()
    pump.restart()


@pytest.mark.req("HOST-06")
def test_the_first_program_sets_a_clock_that_was_never_set(quick_thecal: Thecal, fresh: Emulator):
    assert status(quick_thecal, fresh)["clock_set"] is False
    assert "never set" in quick_thecal("status", port=fresh.port).out
    assert "it was never set" in quick_thecal("clock", "show", port=fresh.port).out
    no = quick_thecal("program", MORPHINE, port=fresh.port, stdin="n\n")
    assert "note: its clock was never set, and is set to this computer's local time first, " in no.out
    assert status(quick_thecal, fresh)["clock_set"] is False
    assert quick_thecal("program", MORPHINE, "--yes", port=fresh.port).code == 0
    cut(fresh)
    after = status(quick_thecal, fresh)
    assert (after["clock_set"], after["therapy"], after["state"]) == (True, "Constant morphine", "infusing")
    assert from_now_s(after) < 300
    assert "never set" not in quick_thecal("status", port=fresh.port).out
    again = quick_thecal("program", MORPHINE, "--yes", "--json", port=fresh.port)
    assert json.loads(again.out)["clock_set"] is False


@pytest.mark.req("HOST-06", part="refusable, and kept as never set")
def test_keep_clock_leaves_it_and_the_pump_goes_on_saying_so(quick_thecal: Thecal, fresh: Emulator):
    assert quick_thecal("program", MORPHINE, "--yes", "--keep-clock", port=fresh.port).code == 0
    cut(fresh)
    document = status(quick_thecal, fresh)
    assert document["clock_set"] is False
    assert document["local_time"].startswith("2000-01-01")
    assert "by a clock that was never set" in quick_thecal("status", port=fresh.port).out
    assert quick_thecal("clock", "set", "--to", "2026-01-05T10:00", "--yes", port=fresh.port).code == 0
    cut(fresh)
    assert status(quick_thecal, fresh)["clock_set"] is True


@pytest.mark.req("HOST-06", part="clock first, and the line says so")
def test_a_program_that_fails_after_the_clock_says_so(
    quick_thecal: Thecal, fresh: Emulator, monkeypatch: pytest.MonkeyPatch
):
    """The buzzer breaks between review and commit: nobody would hear an alarm, so nothing starts."""
    proposed = Client.propose_program

    def then_breaks(self: Client, therapy: dict[str, object]) -> object:
        found = proposed(self, therapy)
        fresh.bench.buzzer_broken()
        self.test_alarm(critical=False)
        fresh.bench.advance_by(10_000_000)
        return found

    monkeypatch.setattr(Client, "propose_program", then_breaks)
    error = quick_thecal("program", MORPHINE, "--yes", port=fresh.port).error
    assert "annunciator" in error
    assert "(the pump's clock had been set before it, to " in error
    document = status(quick_thecal, fresh)
    assert (document["clock_set"], document["state"]) == (True, "unprogrammed")


@pytest.mark.req("HOST-07")
def test_more_than_a_year_is_asked_again(quick_thecal: Thecal, fresh: Emulator):
    def set_to(text: str, *more: str, stdin: str = "") -> Any:
        return quick_thecal("clock", "set", "--to", text, *more, port=fresh.port, stdin=stdin)

    assert set_to("2026-01-05T10:00", stdin="y\n").code == 0  # it was never set: once is enough
    assert set_to("2027-01-05T09:00", "--yes").code == 0
    error = set_to("2028-01-06T10:00", "--yes").error
    assert "more than a year's change of a clock that was set: from Tue 2027-01-05" in error
    assert "--confirm-large-change" in error
    assert set_to("2028-01-06T10:00", stdin="y\nn\n").code == 1
    assert status(quick_thecal, fresh)["local_time"].startswith("2027-01-05")
    assert set_to("2028-01-06T10:00", stdin="y\ny\n").code == 0
    assert set_to("2089-09-18T10:00", "--yes", "--confirm-large-change").code == 0
    assert status(quick_thecal, fresh)["local_time"].startswith("2089-09-18T10:00")


@pytest.mark.req("HOST-07")
@pytest.mark.parametrize("text", ["1999-12-31T23:59", "2100-01-01", "2179-06-07", "9999-12-31"])
def test_dates_that_no_pump_keeps_name_both_bounds(quick_thecal: Thecal, running: Emulator, text: str):
    done = quick_thecal("clock", "set", "--to", text, "--yes", port=running.port)
    assert done.code == 2
    assert "from 2000-01-01 to 2099-12-31" in " ".join(done.err.replace("│", " ").split())


@pytest.mark.req("HOST-07")
@pytest.mark.parametrize("offset", ["-30h", "49 h"])
def test_an_offset_beyond_a_bound_names_it(quick_thecal: Thecal, running: Emulator, offset: str):
    error = quick_thecal("clock", "set", "--offset", offset, "--yes", port=running.port).error
    assert ("from 2000-01-01 to 2099-12-31" if offset == "-30h" else "more than 48 h") in error


@pytest.mark.req("HOST-08")
def test_a_stop_that_is_too_long_names_the_longest(quick_thecal: Thecal, running: Emulator):
    assert "at most 30 min" in quick_thecal("stop", "--for", "2 h", port=running.port).error
    assert status(quick_thecal, running)["state"] == "infusing"


@pytest.mark.req("HOST-08")
def test_limits_are_listed_in_units(quick_thecal: Thecal, running: Emulator):
    out = quick_thecal("limits", port=running.port).out
    rows = {" ".join(line.split()) for line in out.splitlines()}
    assert {"bolus dose 1 ng 100 mg", "local day 2000-01-01 2099-12-31", "resume after 0 s 48 h"} <= rows
    document = json.loads(quick_thecal("limits", "--json", port=running.port).out)
    assert document["limits"]["bolus_dose_ng"] == {"low": 1, "high": 100_000_000}


@pytest.mark.req("HOST-08", part="refills")
@pytest.mark.req("RES-07")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--stable", "300 y"), "good until 2299"),
        (("--stable", "9000 y"), "good until 9999-12-31"),
        (("--expiry", "2099-12-31", "--stable", "200 y"), ""),
        (("--measured", "50 mL"), "at most 40 mL can be found"),
        (("--measured", "18446744073709551615 pL"), "at most 40 mL can be found"),
        (("--lot", "L" * 25), "at most 24"),
    ],
)
def test_refills_that_cannot_be(
    quick_thecal: Thecal, running: Emulator, arguments: tuple[str, ...], words: str
):
    done = quick_thecal(*REFILL, *arguments, "--json", port=running.port)
    if not words:
        assert json.loads(done.out)["stable_until"] == "2099-12-31"
        return
    assert words in done.error
    assert "nothing was changed" in done.err


@pytest.mark.req("RES-07")
def test_less_found_than_injected_warns_and_stops_and_more_does_neither(
    quick_thecal: Thecal, fresh: Emulator, tmp_path: Path
):
    program(fresh, changed(tmp_path, 'fill = "40 mL"', 'fill = "30 mL"'))
    start = ("refill", "--volume", "30 mL", "--residual", "30 mL", "--measured")
    assert "at most 32 mL" in quick_thecal(*start, "32.1 mL", "--yes", port=fresh.port).error
    more = quick_thecal(*start, "32 mL", "--yes", port=fresh.port)
    assert (more.code, "POCKET" in more.out) == (0, False)
    assert status(quick_thecal, fresh)["state"] == "infusing"
    less = quick_thecal(*start, "27.9 mL", "--yes", port=fresh.port)
    assert "POSSIBLE POCKET FILL" in less.out
    assert status(quick_thecal, fresh)["state"] == "halted"
    with Client.connect(fresh.port) as client:
        (*_, measured) = [event for event in client.events() if event.kind == "refill_measured"]
    assert (measured.code, measured.a, measured.b) == (1, 30_000_000_000, 27_900_000_000)


@pytest.mark.req("RES-07")
def test_a_bolus_must_lie_above_the_halt(quick_thecal: Thecal, fresh: Emulator, tmp_path: Path):
    """20 mg/mL, 0.6 mL left: 0.1 mL is 2 mg, and the basal rate takes 5 uL, 0.1 mg, of it in an hour."""
    path = changed(tmp_path, 'fill = "40 mL"', 'fill = "0.6 mL"')
    path.write_text(path.read_text().replace('max_dose_24h = "6 mg"', 'max_dose_24h = "60 mg"'))
    program(fresh, path)
    bolus = ("bolus", "--duration", "1 h", "--yes", "--dose")
    error = quick_thecal(*bolus, "1.91 mg", port=fresh.port).error
    assert "reservoir" in error
    assert "bolus dose: at most 1.9 mg" in error
    assert quick_thecal(*bolus, "1.9 mg", port=fresh.port).code == 0
    fresh.bench.advance_by(HOUR_US)
    with Client.connect(fresh.port) as client:
        (given,) = [event for event in client.events() if event.kind == "bolus_delivered"]
        assert given.a == 95_000_000  # all of it


@pytest.mark.req("RES-07", part="prime")
def test_a_prime_must_lie_above_the_halt(quick_thecal: Thecal, fresh: Emulator, tmp_path: Path):
    program(fresh, changed(tmp_path, 'fill = "40 mL"', 'fill = "0.8 mL"'))
    error = quick_thecal("prime", "--dry", "--implant", "--yes", port=fresh.port).error
    assert "the prime takes 335.8 uL, and 300 uL lie above the 500 uL at which the pump stops" in error


@pytest.mark.req("HOST-06", part="a report says that the clock was never set, also one that is made again")
def test_a_report_of_a_clock_that_was_never_set(quick_thecal: Thecal, fresh: Emulator, tmp_path: Path):
    page, kept, again = (tmp_path / name for name in ("r.html", "r.json", "again.html"))
    program(fresh, MORPHINE)
    never = ("CLOCK WAS NEVER SET: it counts from 2000-01-01", "(never set)")
    assert quick_thecal("report", "--out", page, "--save", kept, port=fresh.port).code == 0
    assert quick_thecal("report", "--log", kept, "--out", again).code == 0
    for path in (page, again):
        assert all(words in path.read_text().replace("&#39;", "'") for words in never)
    assert quick_thecal("clock", "set", "--to", "now", "--yes", port=fresh.port).code == 0
    assert quick_thecal("report", "--out", page, port=fresh.port).code == 0
    assert not any(words in page.read_text() for words in never)
    document = json.loads(kept.read_text())
    del document["clock_set"]  # kept by 0.1.0
    kept.write_text(json.dumps(document))
    assert quick_thecal("report", "--log", kept, "--out", again).code == 0
    assert not any(words in again.read_text() for words in never)


@pytest.mark.req(
    "RES-07", part="bridge: by host and by pump, in the same words, before anything is on record"
)
def test_a_bridge_must_lie_above_the_halt(
    quick_thecal: Thecal, fresh: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program(fresh, MORPHINE)
    weaker = changed(tmp_path, '"20 mg/mL"', '"10 mg/mL"')
    words = "the reservoir does not hold enough (bridge: volume: at most 300 uL); refill first"
    for command in (("replace", weaker, "--bridge"), ("refill", "--program", tmp_path / "asks.toml")):
        (tmp_path / "asks.toml").write_text(weaker.read_text() + "\n[bridge]\n")
        little = (*command, "--residual", "39 mL", "--yes", "--volume", "0.8 mL")
        assert quick_thecal(*little, port=fresh.port).error == f"bridge: it takes 335.8 uL: {words}"
        monkeypatch.setattr(programming, "bridge_problems", lambda volume_pl, left_pl: [])
        assert quick_thecal(*little, port=fresh.port).error.endswith(f": reservoir, {words}")
        monkeypatch.undo()
    with Client.connect(fresh.port) as client:
        assert not [event for event in client.events() if event.kind == "refilled"]
    presses(monkeypatch, fresh)
    done = quick_thecal("replace", weaker, "--bridge", "--residual", "39 mL", "--yes", "--volume", "0.84 mL",
                        port=fresh.port)  # fmt: skip
    assert done.code == 0, done
    fresh.bench.advance_by(3 * 24 * HOUR_US)
    with Client.connect(fresh.port) as client:
        (given,) = [event for event in client.events() if event.kind == "bolus_delivered"]
        assert given.a == 335_800_000  # all of it


@pytest.mark.req("HOST-09")
def test_a_limit_says_what_is_left_and_from_when(quick_thecal: Thecal, fresh: Emulator, tmp_path: Path):
    path = changed(tmp_path, 'max_dose_24h = "6 mg"', 'max_dose_24h = "3 mg"')
    program(fresh, path)
    assert quick_thecal("clock", "set", "--to", "2026-01-05T10:00", "--yes", port=fresh.port).code == 0
    bolus = ("bolus", "--duration", "10 min", "--yes", "--dose")
    assert quick_thecal(*bolus, "0.4 mg", port=fresh.port).code == 0
    fresh.bench.advance_by(HOUR_US)
    error = quick_thecal(*bolus, "0.4 mg", port=fresh.port).error
    assert "limit_24h" in error
    assert "the limit of morphine: at most 200.05 mcg now; this bolus from Tue 2026-01-06 10:0" in error
