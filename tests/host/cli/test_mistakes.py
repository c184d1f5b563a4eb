"""Mistakes that a person makes at the command line, on one pump: each answer says what was wrong and what
would be right, in one line, and nothing has changed.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.cli.conftest import MORPHINE, Thecal, program
from thecal import Pump
from thecal.emulator.emulator import Emulator

HOUR_US = 3_600_000_000
M, B = MORPHINE, MORPHINE.with_name("baclofen-night-rise.toml")
BOLUS = 'bolus --dose "0.1 mg" --duration "10 min"'
CAL = 'calibrate --density "0.9982 g/mL" --mass-uncertainty "0.02 mg"'

# Before the pump has a therapy.
BLANK = [
    ("resume", 1, "it has no therapy; program one with `thecal program`"),
    ("bolus --patient", 1, "the pump refused the patient's bolus: not_programmed"),
    (f"{BOLUS} --yes", 1, "it has no therapy"),
    ('refill --volume "40 mL" --residual "0 mL" --yes', 1, "the first program says what the reservoir holds"),
    ("prime --implant --dry --yes", 1, "program it first"),
    ("cancel-plan --yes", 1, "refused cancel plan: not_running"),
    ('session --dose "2 mg/day" --yes', 1, "the pump has no program to adjust"),
    (f'replace {M} --volume "40 mL" --residual "0 mL" --yes', 1, "there is no filling to replace"),
]
# On a pump that infuses. (line, exit code, what the answer says)
RUNNING = [
    # numbers and units
    ('bolus --dose "0,1 mg" --duration "10 min"', 2, '"0,1 mg" has a comma; write the number with a point'),
    ('bolus --dose 0.1 --duration "10 min"', 2, '--dose: "0.1" has no unit; write a mass with its unit'),
    ('bolus --dose 0.1 mg --duration "10 min"', 2, 'quote them, --dose "0.1 mg"'),
    ('bolus --dose=0.1 mg --duration "10 min"', 2, 'quote them, --dose "0.1 mg"'),
    ("bolus 0.1 mg", 2, 'quote them, "0.1 mg"'),
    ('bolus --dose "0.1 ml" --duration "10 min"', 2, "is a volume where a mass is due"),
    ('bolus --dose "0.1 mg" --duration "10 m"', 2, 'is a length where a time is due, for example "5 min"'),
    ('bolus --dose "0.1 MG" --duration "10 min"', 2, 'no unit "MG" is known'),
    ('bolus --dose "-0.1 mg" --duration "10 min"', 2, "is negative; write an amount above zero"),
    ('bolus --dose "0 mg" --duration "10 min"', 2, "is zero; write an amount above zero"),
    ('bolus --dose one --duration "10 min"', 2, "write a number and its unit"),
    ('bolus --dose "" --duration ""', 2, "give --dose"),
    ("stop --for 20", 2, '"20" has no unit'),
    ("stop 20 min", 2, 'quote them, "20 min"'),
    ('stop --for "20 mins"', 2, 'no unit "mins" is known'),
    ("clock set --offset 1", 2, "has no unit"),
    ("clock set --offset -30 min", 2, 'quote them, --offset "-30 min"'),
    ('refill --volume 40 --residual "3 mL"', 2, '--volume: "40" has no unit'),
    ('refill --volume "40 mL" --residual "-1 mL"', 2, "of zero or more"),
    ('refill --volume "40 mL" --residual "3 mL" --stable 40', 2, 'for example "40 d"'),
    ('refill --volume "40 mL" --residual "3 mL" --expiry 30.9.2026', 2, 'write it like "2026-09-30"'),
    (f"simulate {M} --for 24", 2, 'for example "7d"'),
    (f"simulate {M} --for 1w", 2, 'no unit "w" is known'),
    ('session --change "+10" --yes', 2, 'write its sign and %, like "+10 %"'),
    ('session --dose "2.4 mg" --yes', 2, 'where a dose per time is due, for example "2.4 mg/day"'),
    # what is missing, or does not go together
    ('bolus --dose "0.1 mg"', 2, "--duration is missing"),
    (f"{BOLUS} --patient", 2, "--patient: the prescription says dose and duration"),
    (f'{BOLUS} --dose "1 mg"', 2, "--dose is said twice"),
    (f"{BOLUS} --json", 2, "--json: nobody can be asked beside it; add --yes"),
    (f"simulate {M}", 2, "--for"),
    ("program", 2, "THERAPY.toml"),
    (f"program {M} {B}", 2, "belongs to nothing here"),
    ("clock set", 2, "--to now"),
    ('refill --volume "40 mL" --yes', 2, "--residual is missing: nothing was changed"),
    (f'session --therapy {M} --dose "2 mg/day" --yes', 2, "--therapy and --dose exclude each other"),
    ('session --dose "2 mg/day" --change "+10 %" --yes', 2, "--dose and --change exclude each other"),
    (f'{CAL} --run "40000:99.8 mg" --mass "99 mg"', 2, "--mass goes with --volume"),
    ("report --flow x.csv", 2, '--rate "0.5 mL/day"'),
    ("store export out --format xml", 2, "is none of csv, parquet, fhir"),
    # words that are nearly right
    ("stauts", 2, "Did you mean 'status'?"),
    ("bolus --does 1", 2, "--dose"),
    ("status -port /dev/x", 2, "options have two dashes: --port"),
    ("status stop", 2, '"stop" belongs to nothing here'),
    ("log --count ten", 2, "write a whole number"),
    ("log --count 0", 2, "write a whole number, 1 or more"),
    ("flash --wait soon", 2, "--wait: write a number."),
    ("flash --wait 601", 2, "write a whole number from 0 to 600"),
    ("log --range 10..5", 1, "write the lower number first"),
    ("pair --role doctor", 2, "'clinician'"),
    ("alarms confirm motor", 1, "there is no alarm 'motor'; none stands now"),
    ("library show aspirin", 1, "it holds morphine"),
    ('clock set --to "2026-02-30T00:00"', 2, "is not a date and time"),
    ("clock set now", 2, '"now" belongs to nothing here: name the option that it is for'),
    ("--port /dev/x status", 2, "options stand after the command: thecal status --port ..."),
    ("log --csv out.csv", 2, "name the option that it is for"),
    # files and ports
    ("check nothere.toml", 1, "nothere.toml cannot be read: no such file or directory; correct its name"),
    ('session --dose "2,6 mg/day" --port /dev/none', 2, "has a comma"),
    ("session --therapy nothere.toml --port /dev/none", 1, "nothere.toml cannot be read"),
    ("flash --port /dev/none", 1, "there is no port /dev/none"),
    ("program nothere.toml", 1, "no such file or directory"),
    ("program note.txt", 1, "note.txt is not valid TOML"),
    ("program events.toml", 1, "is an events file, no therapy; simulate takes it with --events"),
    (f"simulate {M} --for 1d --events {M}", 1, "is a therapy file, and an events file has [[event]]"),
    ("report --log note.txt", 1, "is neither a record nor a log: line 1: no record of a log ("),
    ("report --out r.docx", 1, '"r.docx" does not end in .html or .pdf'),
    ('session --report r.doc --dose "2.5 mg/day" --yes', 1, '"r.doc" does not end in .html or .pdf'),
    ("status --port /dev/nothere", 1, "there is no port /dev/nothere"),
    ("status --port note.txt", 1, "is no serial port"),
    (f'library trust {"0f" * 32} --name ""', 1, "say whose key it is"),
    (f'library trust {"0f" * 32} --name {"x" * 300}', 1, "1 to 60 letters"),
    (f"simulate {M} --for 1d --trace /dev/full", 1, "is no file"),
    (f"simulate {M} --for 1d --flash /dev/full", 1, "is no file"),
    # what the pump will not do now
    ("resume", 1, "there is nothing to resume"),
    ('bolus --dose "100 mg" --duration "10 min" --yes', 1, "the pump refused the proposal: limit_24h"),
    ('bolus --dose "0.1 mg" --duration "1 ms" --yes', 1, "is below the lowest bolus duration, 1 s"),
    ('stop --for "2 h"', 1, "at most 30 min"),
    (f"program {B} --yes", 1, "record the refill with `thecal refill` first"),
    ('refill --volume "400 mL" --residual "1 mL" --yes', 1, "but the reservoir holds 40 mL"),
    ("fault clear", 1, "no fault is latched, so there is nothing to clear"),
    ("prime --dry --yes", 1, "if this is one, say so with --implant"),
    ("skip-bridge --yes", 1, "refused skip bridge: not_running"),
    (f"{BOLUS} --no-input", 1, "nobody may be asked"),
    (f'{CAL} --run "40000:99.8"', 1, '"99.8" has no unit'),
    (f'{CAL.replace("0.02 mg", "1000 g")} --run "40000:99.8 mg"', 1, "over a tenth of what was weighed"),
    ('calibrate --density "20 mg/mL" --mass-uncertainty "1 mg" --run "9999:99 mg"', 1, "no drug's solution"),
]  # fmt: skip
# Answers to questions. (line, what is typed, exit code, what is said)
ANSWERS = [
    (BOLUS, "n", 1, ["Give this bolus now? [y/N]", "not confirmed: nothing was changed"]),
    (BOLUS, "yes please", 1, ["not confirmed: nothing was changed"]),
    (BOLUS, "", 1, ["not confirmed: nothing was changed"]),
    ("refill", "3\n3 mL\n40\n40 mL\nmorphine 20\n\n\n30.9.\n\nn", 1,
     ["What came out (for example 3.1 mL)?", '"3" has no unit', "understood: 3 mL", '"40" has no unit',
      '"20" has no unit', "not read", '"30.9." is not a date', "Record this refill?", "not confirmed"]),
    ("session", "9\n1\n2.5\n2.5 mg/day\n0\nn", 1,
     ['"9" is none of', "now 2.4 mg/day (for example 2.4 mg/day)?", '"2.5" has no unit', "not confirmed"]),
    ('calibrate --run "40000:99.8 mg"', "20 mg/mL\n0.9982 g/mL\n0.02 mg", 0,
     ["Density of the fluid (for example 0.9982 g/mL)?", "no drug's solution", "understood: 0.9982 g/mL"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def pump() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "note.txt").write_text("Dear all\n")
    (tmp_path / "events.toml").write_text('[[event]]\nat = "1h"\ndo = "stop"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THECAL_STORE", "off")


def holds(pump: Emulator) -> tuple[object, ...]:
    with Pump(pump.port) as opened:
        status = opened.status().status
    return status.state, status.program_digest, status.bolus, status.reservoir_pl, status.clock_set


def tried(thecal: Thecal, pump: Emulator, lines: list[tuple[str, int, str]]) -> list[str]:
    """Lines whose answer is not as it should be."""
    wrong: list[str] = []
    before = holds(pump)
    for line, code, said in lines:
        done = thecal(*shlex.split(line), port=pump.port)
        last = done.err.strip().split("\n")[-1]
        if done.code != code or said not in last or "Traceback" in done.err or re.search(r"\bError\b", last):
            wrong.append(f"{line}\n  {done.code}: {done.err}")
    assert holds(pump) == before
    return wrong


def test_mistakes(pump: Emulator, quick_thecal: Thecal):
    assert len(BLANK) + len(RUNNING) + len(ANSWERS) >= 60
    assert tried(quick_thecal, pump, BLANK) == []
    program(pump, MORPHINE)
    pump.bench.advance_by(3 * HOUR_US)
    assert tried(quick_thecal, pump, RUNNING) == []
    before = holds(pump)
    for line, typed, code, said in ANSWERS:
        done = quick_thecal(*shlex.split(line), port=pump.port, stdin=typed + "\n" if typed else "")
        assert done.code == code, (line, done)
        assert [text for text in said if text not in done.err] == [], (line, done.err)
    assert holds(pump) == before


def test_advice_follows_the_state(quick_thecal: Thecal):
    """How therapy goes on is said by what holds it."""

    with Emulator(seed=2) as other:
        program(other, MORPHINE)
        assert (
            "It goes on by itself in 20 min, sooner with: thecal resume."
            in quick_thecal("stop", "--for", "20 min", port=other.port).err
        )
        other.bench.advance_by(5 * 60_000_000)
        shown = quick_thecal("status", port=other.port).out
        assert "next change   goes on in 15 min" in shown
        said = quick_thecal("stop", port=other.port).err
        assert "It goes on with: thecal resume." in said
        assert "longer than 30 min" in said
        other.bench.advance_by(HOUR_US)
        alarm = quick_thecal("alarms", port=other.port).out
        assert "max_pause" in alarm
        assert "pump     the pump is stopped; it goes on with: thecal resume" in alarm
        assert "therapy goes on\n" not in alarm
