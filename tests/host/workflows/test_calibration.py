"""Calibration from the outside: runs counted by the pump, masses entered, the step volume worked out."""

import json
import math
from pathlib import Path

import pytest

from host.cli.conftest import Thecal, changed, program
from thecal.emulator.emulator import Emulator
from thecal.workflows.calibration import Run, calibrate
from thecal.workflows.prompts import Prompter


@pytest.mark.parametrize(("num", "den"), [(1, 1), (6, 5)])
def test_calibration_finds_what_the_motor_displaced(
    quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num: int, den: int
):
    """The balance shows what the simulated motor physically displaced, as water of 20 C weighed in air."""
    bench_therapy = changed(tmp_path, 'mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "stopped"')
    with Emulator(seed=1) as emulator:
        program(emulator, bench_therapy)
        bench = emulator.bench
        monkeypatch.setattr("thecal.workflows.counted._pause", lambda: bench.advance_by(20_000_000))
        bench.over_delivery(num, den)
        bench.set_step_volume(2500)
        bench.fill(40 * 10**9)
        before_pl = bench.truth().reservoir_pl
        b = (1 - 0.0012 / 8) / (1 - 0.0012 / 0.9982)

        def balance(self: Prompter, question: str, flag: str) -> str:
            assert question.startswith("Mass on the balance")
            return f"{round((before_pl - bench.truth().reservoir_pl) * 0.9982 / b)} ng"

        monkeypatch.setattr(Prompter, "line", balance)
        flags = ("--volume", "100 uL", "--duration", "20 min", "--density", "0.9982 g/mL")
        flags += ("--mass-uncertainty", "0.01 mg", "--json", "--yes")
        done = quick_thecal("calibrate", *flags, port=emulator.port)
        assert done.code == 0, done.err
        assert "40 000 steps were made" in done.err
    found = json.loads(done.out)
    assert found["set_pl"] == 2500
    assert found["step_volume_pl"] == 2500 * num // den
    assert found["change_it"] is (num != den)


def test_a_calibration_that_a_fault_cuts_short(
    quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was counted by then is not offered as a run."""
    bench_therapy = changed(tmp_path, 'mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "stopped"')
    with Emulator(seed=1) as emulator:
        program(emulator, bench_therapy)

        def fault() -> None:
            emulator.bench.inject_raw("planner_fault", kind="runaway")
            emulator.bench.advance_by(60_000_000)

        monkeypatch.setattr("thecal.workflows.counted._pause", fault)
        flags = ("--volume", "100 uL", "--duration", "20 min", "--density", "0.9982 g/mL")
        flags += ("--mass-uncertainty", "0.01 mg", "--mass", "99.8 mg", "--json", "--yes")
        assert "did not come to its end" in quick_thecal("calibrate", *flags, port=emulator.port).error


def test_calibration_by_its_formula():
    runs = [Run(40_000, 99_900_000), Run(40_000, 100_100_000), Run(20_000, 50_050_000)]
    found = calibrate(
        runs, 998_200_000, mass_uncertainty_ng=20_000, density_uncertainty_ng_per_ml=200_000, set_pl=2500
    )
    b = (1 - 0.0012 / 8) / (1 - 0.0012 / 0.9982)
    volumes = [b * run.mass_ng * 10**9 / 998_200_000 / run.steps for run in runs]
    errors = [
        v * math.sqrt((20_000 / r.mass_ng) ** 2 + 1 / 3 / r.steps**2)
        for v, r in zip(volumes, runs, strict=True)
    ]
    weights = [e**-2 for e in errors]
    mean = sum(w * v for w, v in zip(weights, volumes, strict=True)) / sum(weights)
    scatter = sum(w * (v - mean) ** 2 for w, v in zip(weights, volumes, strict=True)) / 2 / sum(weights)
    u = math.sqrt(max(scatter, 1 / sum(weights)) + (mean * 0.0002 / 0.9982) ** 2)
    assert found.step_volume_pl == round(mean)
    assert found.uncertainty_pl == pytest.approx(2 * u)
    assert found.differs == (abs(round(mean) - 2500) > 2 * u)
    assert any("set is 2.5 nL" in line for line in found.words())


def test_calibration_of_weighed_runs(quick_thecal: Thecal):
    flags = ("--density", "0.9982 g/mL", "--mass-uncertainty", "0.02 mg", "--no-input")
    done = quick_thecal("calibrate", "--run", "40000:99.7 mg", "--run", "40000:99.8 mg", *flags)
    assert done.code == 0, done.err
    assert 'in the therapy file: step_volume = "2.5' in done.out
    for run, said in (
        ("40000", "is no run"),
        ("x:1 mg", "is no run"),
        ("40000:99.7", "has no unit"),
        ("40:0.1 mg", "too few to weigh"),
        ("40000:997 g", "above the highest step volume"),
    ):
        assert said in quick_thecal("calibrate", "--run", run, *flags).err, run
    heavy = ("--density", "20 g/mL", "--mass-uncertainty", "0.02 mg", "--no-input")
    assert "has this density" in quick_thecal("calibrate", "--run", "40000:99.7 mg", *heavy).error
    assert quick_thecal("calibrate").code == 2
    assert "--density" in quick_thecal("calibrate", "--run", "40000:99.7 mg", "--no-input").error


BENCH = (
    "--volume",
    "50 uL",
    "--duration",
    "10 min",
    "--density",
    "0.9982 g/mL",
    "--mass-uncertainty",
    "0.02 mg",
)


def other(**changes: str) -> tuple[str, ...]:
    """The flags with some of them changed, or ("") left out."""
    flags = dict(zip(BENCH[::2], BENCH[1::2], strict=True))
    flags |= {"--" + name.replace("_", "-"): text for name, text in changes.items()}
    return tuple(word for name, text in flags.items() if text for word in (name, text))


def steps_after(emulator: Emulator) -> int:
    before = emulator.bench.truth().steps
    emulator.bench.advance_by(15 * 60 * 1_000_000)
    return emulator.bench.truth().steps - before


@pytest.mark.req("HOST-16", part="what a calibration could not use is not given")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"density": "20 mg/mL", "mass": "50 mg"}, "no drug's solution has this density"),
        ({"volume": "1 uL", "mass": "1 mg"}, "400 steps are too few to weigh"),
        ({"mass": "500 g"}, "above the highest step volume"),
        ({"mass": "50"}, "has no unit"),
        ({}, "the mass could not be asked for afterwards (--no-input): nothing was changed"),
        ({"mass": "50 mg", "density": ""}, "--density"),
        ({"mass": "50 mg", "mass_uncertainty": "0 mg"}, "is zero; write an amount above zero"),
        ({"mass": "50 mg", "run": "10:1 mg"}, "10 steps are too few to weigh"),
        ({"mass": "50 mg", "duration": "1 s"}, "max_rate"),
    ],
    ids=range(9),
)
def test_what_can_be_known_is_known_before_the_dose(
    quick_thecal: Thecal, pump: Emulator, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
):
    """Even with --yes: it is an infusing pump, and not one step more than its basal flow is made."""
    monkeypatch.setattr("thecal.workflows.counted._pause", lambda: pytest.fail("it is given"))
    done = quick_thecal("calibrate", *other(**changes), "--yes", "--no-input", port=pump.port)
    assert said in done.error
    assert steps_after(pump) == 500


@pytest.mark.req("HOST-15", part="calibrate asks, and gives what was agreed on")
def test_a_calibration_asks_before_its_dose(quick_thecal: Thecal, pump: Emulator):
    flags = other(mass="49.9 mg")
    refused = quick_thecal("calibrate", *flags, "--no-input", port=pump.port)
    assert refused.code == 1
    assert "The pump would give 50 uL, 1 mg of morphine, over 10 min" in refused.err
    assert "say it with --yes" in refused.err
    assert quick_thecal("calibrate", *flags, "--json", port=pump.port).code == 2
    assert (
        "not confirmed: nothing was changed"
        in quick_thecal("calibrate", *flags, port=pump.port, stdin="n\n").err
    )
    assert steps_after(pump) == 500
