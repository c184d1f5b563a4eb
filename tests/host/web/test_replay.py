"""What was done on the page is an events file that `thecal simulate` replays to the same trace, whoever
looked on meanwhile and however time passed."""

import hashlib
import random
from pathlib import Path

import pytest

from thecal.errors import SimulationError, TherapyError
from thecal.simulation.pump import SimulatedPump
from thecal.simulation.run import Plan
from thecal.simulation.scenario.load import load_events
from thecal.simulation.simulate import Outcome, simulate
from thecal.therapy.load import load_therapy
from thecal.web.live import EVENTS, Live
from thecal.web.opening import Opened, opened
from thecal.web.view import View

EXAMPLE = "morphine-constant.toml"
S = 1_000_000
HOUR = 3600 * S
SCENARIO = b"""
[[event]]
at = "90 min"
do = "clinician_bolus"
dose = "0.1 mg"
duration = "10 min"

[[event]]
at = "2 h"
inject = "temperature"
celsius = 43
for = "10 min"
"""
WEAKER = "weaker.toml"


def replayed(live: Live, folder: Path) -> Outcome:
    """By the files alone that were saved."""
    folder.mkdir()
    for name, text in live.files().items():
        (folder / name).write_text(text)
    opened_ = live.opened
    return simulate(
        Plan(
            load_therapy(folder / opened_.name),
            live.now_us,
            load_events(folder / EVENTS),
            start=opened_.start,
            seed=opened_.seed,
            trace=folder / "trace",
        )
    )


def begun(tmp_path: Path, repo_root: Path, seed: int = 1) -> Opened:
    (tmp_path / "in").mkdir()
    weaker = (repo_root / "examples" / EXAMPLE).read_bytes().replace(b"2.4 mg/day", b"2 mg/day")
    files = {"day.toml": SCENARIO, WEAKER: weaker}
    scenario = files["day.toml"] + f'[[event]]\nat = "9 h"\ndo = "program"\nfile = "{WEAKER}"\n'.encode()
    return opened(tmp_path / "in", {**files, "day.toml": scenario}, EXAMPLE, seed=seed)


class Hands:
    """Somebody at the page, who looks all the time and lets time pass in pieces of any length."""

    def __init__(self, live: Live, seed: int) -> None:
        self.live, self.view = live, View(live)
        self.random = random.Random(seed)

    def wait(self, us: int) -> None:
        until_us = self.live.now_us + us
        while self.live.now_us < until_us:
            piece = self.random.choice([self.random.randrange(1, 3 * S), 60 * S, 20 * 60 * S, HOUR])
            self.live.pass_to(min(until_us, self.live.now_us + piece))
            self.view.take()

    def inject(self, name: str, **values: object) -> int:
        done = self.live.act({"inject": name, **values})
        self.view.take()
        return done.number


@pytest.mark.req("HOST-28", part="the same trace")
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_done_replays_to_the_same_trace(tmp_path: Path, repo_root: Path, seed: int):
    opened_ = begun(tmp_path, repo_root, seed)
    with SimulatedPump(seed=seed) as pump:
        live = Live(pump, opened_, tmp_path / "trace")
        live.begin()
        hands = Hands(live, seed)
        hands.wait(HOUR)
        stall = hands.inject("motor_stall")
        hands.wait(20 * 60 * S + 123)
        live.end(stall)
        hands.wait(3 * HOUR)
        blocked = hands.inject("occlusion", where="downstream")
        hands.wait(90 * 60 * S)
        live.end(blocked)
        hands.wait(40_000)
        hands.inject("hang")
        hands.wait(60 * S)
        cut = hands.inject("power_cut")
        hands.wait(90 * S)
        with pytest.raises(SimulationError, match="no power"):
            hands.inject("occlusion")
        live.end(cut)
        hands.wait(HOUR)
        noise = hands.inject("link_noise", bit_error_rate="1e-4")
        live.act({"do": "stop"})
        hands.wait(10 * 60 * S)
        live.act({"do": "resume"})
        hands.inject("press_button")
        live.end(noise)
        hands.wait(2 * HOUR)
        hands.inject("watchdog_bite")
        hands.wait(50_000)
        live.act({"do": "refill", "volume": "40 mL", "residual": "measured"})
        hands.wait(3 * HOUR)
        steps, resets = pump.steps(), pump.resets
        live.finish()
        outcome = replayed(live, tmp_path / "out")
    assert [done.what for done in live.done][2:4] == [
        "temperature",
        "occlusion",
    ]  # of the scenario, at its time
    assert (outcome.steps, outcome.resets) == (steps, resets)
    assert outcome.trace_sha256 == hashlib.sha256((tmp_path / "trace").read_bytes()).hexdigest()
    assert resets >= 3


@pytest.mark.req("HOST-28", part="opened again")
def test_what_was_saved_opens_again(tmp_path: Path, repo_root: Path):
    opened_ = begun(tmp_path, repo_root)
    with SimulatedPump(seed=1) as pump:
        live = Live(pump, opened_)
        live.begin()
        while live.now_us < 2 * HOUR:
            live.pass_to(2 * HOUR)
        live.act({"inject": "sensor_missing", "sensor": "battery", "for": "1 h"})
        files = {name: text.encode() for name, text in live.files().items()}
    (tmp_path / "again").mkdir()
    again = opened(tmp_path / "again", files)
    assert again.name == EXAMPLE
    assert [event.what for _, event in again.events] == [done.what for done in live.done]


def test_what_is_no_event_does_nothing(tmp_path: Path, repo_root: Path):
    with SimulatedPump(seed=1) as pump:
        live = Live(pump, begun(tmp_path, repo_root))
        live.begin()
        for table in (
            {"do": "fly"},
            {"inject": "temperature", "celsius": "hot"},
            {},
            {"do": "clinician_bolus", "dose": "1"},
        ):
            with pytest.raises(TherapyError):
                live.act(table)
        for file in ("../../../etc/passwd", "/etc/passwd", "nothing.toml", 3):
            with pytest.raises(SimulationError, match="was not opened"):
                live.act({"do": "program", "file": file})
        with pytest.raises(SimulationError, match="over already"):
            live.end(1)
        assert live.done == []
        assert live.now_us == 0


@pytest.mark.req("HOST-29", part="an onlooker changes nothing")
def test_who_looks_on_changes_no_record(repo_root: Path):
    """Not one record, session or wake-up more than without."""

    def course(looks: bool) -> tuple[int, int, int]:
        with SimulatedPump(seed=1) as pump:
            pump.begin(
                load_therapy(repo_root / "examples" / EXAMPLE), Plan.__dataclass_fields__["start"].default
            )
            for minute in range(1, 121):
                pump._emulator.bench.advance_to(pump._zero_us + minute * 60 * S)
                if looks:
                    for look in (pump.status, pump.accounts, pump.onlooker.sensors):
                        look()
                    pump.onlooker.events(1)
            truth = pump.truth()
            return truth.steps, truth.waits, truth.flash_programs

    assert course(True) == course(False)


def test_an_onlooker_can_only_ask(repo_root: Path):
    with SimulatedPump(seed=1) as pump:
        with pytest.raises(SimulationError, match="only reads"):
            pump.onlooker.patient_bolus()
        with pytest.raises(SimulationError, match="only reads"):
            pump.onlooker.abort()
        assert pump.onlooker.status() == pump.client.status()
        assert pump.onlooker.limits() == pump.client.limits()
