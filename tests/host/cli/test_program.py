"""`thecal program`: review, question, commit; and that nothing changes without all three."""

import json
import os
import subprocess
from pathlib import Path
from subprocess import PIPE

import pytest

from support.emulated_keys import keys_for
from thecal.commands.review import Review
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.link.uncertain_delivery import Unanswered
from thecal.therapy.load import load_therapy

from .conftest import DEADLINE_S, MORPHINE, THECAL, Thecal, changed, program


def basal_of(emulator: Emulator) -> object:
    with Client.connect(emulator.port) as client:
        program = client.running_program()
        return program and program["basal_dose_ng_per_day"]


@pytest.mark.req("HOST-02", "HOST-04", part="the command line")
def test_review_question_commit(thecal: Thecal, blank: Emulator):
    refused = thecal("program", MORPHINE, "--port", blank.port, stdin="n\n")
    assert refused.code == 1
    assert "nothing was changed" in refused.err
    assert basal_of(blank) is None
    nobody = thecal("program", MORPHINE, "--port", blank.port)
    assert nobody.code == 1
    assert basal_of(blank) is None
    done = thecal("program", MORPHINE, port=blank.port, stdin="y\n")
    assert done.code == 0, done.err
    assert "basal.dose" in done.out
    assert "2.4 mg/day" in done.out
    worst = next(line for line in done.out.splitlines() if line.split()[:1] == ["morphine"])
    assert worst.split() == ["morphine", "2.4", "mg", "3", "mg", "6", "mg"]
    assert basal_of(blank) == 2_400_000


@pytest.mark.req("HOST-03", part="the command line")
def test_a_large_change_needs_its_own_word(quick_thecal: Thecal, pump: Emulator, tmp_path: Path):
    larger = changed(tmp_path, '"2.4 mg/day"', '"4.9 mg/day"')
    refused = quick_thecal("program", larger, "--yes", port=pump.port)
    assert refused.error == (
        "more than a twofold change: basal.dose from 2.4 mg/day to 4.9 mg/day; nothing was changed; if it is "
        "meant, say so with --confirm-large-change"
    )
    assert basal_of(pump) == 2_400_000
    done = quick_thecal("program", larger, "--yes", "--confirm-large-change", "--json", port=pump.port)
    assert done.code == 0, done.err
    assert done.err == ""
    document = json.loads(done.out)
    assert document["committed"] is True
    assert document["changes"] == [
        {"field": "basal.dose", "old": "2.4 mg/day", "new": "4.9 mg/day", "ratio": "2.042"}
    ]
    assert document["worst_case_24h_ng"] == {"morphine": "5500000"}
    assert basal_of(pump) == 4_900_000
    back = quick_thecal("program", MORPHINE, "--yes", "--confirm-large-change", port=pump.port)
    assert back.code == 0
    assert "x 0.490 (!)" in back.out


def test_old_new_change_side_by_side(quick_thecal: Thecal, pump: Emulator, tmp_path: Path):
    done = quick_thecal(
        "program", changed(tmp_path, '"2.4 mg/day"', '"3 mg/day"'), port=pump.port, stdin="no\n"
    )
    line = next(line for line in done.out.splitlines() if "basal.dose" in line)
    assert line.split() == ["basal.dose", "2.4", "mg/day", "3", "mg/day", "x", "1.25"]


def test_what_the_pump_refuses_changes_nothing(quick_thecal: Thecal, pump: Emulator, tmp_path: Path):
    no_limit = changed(tmp_path, 'max_dose_24h = "6 mg"', 'max_dose_24h = "2 mg"')
    refused = quick_thecal("program", no_limit, "--yes", "--confirm-large-change", port=pump.port)
    assert "limits.max_dose_24h" in refused.error or "limit_24h" in refused.error
    assert basal_of(pump) == 2_400_000


def test_json_does_not_ask(quick_thecal: Thecal, pump: Emulator):
    done = quick_thecal("program", MORPHINE, "--json", port=pump.port)
    assert done.code == 2
    assert "--yes" in done.err
    assert done.out == ""


@pytest.mark.req("DEL-07", part="the pump's power is cut while it is being programmed")
def test_a_pump_killed_while_being_programmed():
    """Between the review and the answer the pump dies: clear words, exit code 3, nothing claimed."""
    with Emulator(seed=1) as emulator:
        command = [str(THECAL), "program", str(MORPHINE), "--port", emulator.port, "--keep-clock"]
        environment = {**os.environ, **keys_for(emulator.port)}
        with subprocess.Popen(
            command, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        ) as process:
            assert process.stderr is not None
            question = process.stderr.read(len("Program this on "))  # the review is over, it asks
            emulator.kill()
            out, err = process.communicate("y\n", timeout=DEADLINE_S)
        assert question == "Program this on "
        assert process.returncode == 3
        assert "Traceback" not in err
        assert err.splitlines()[-1].endswith("look at `thecal status` and `thecal log` before doing it again")
        assert "runs." not in out


@pytest.mark.req("DEL-07", part="a line that breaks in the middle of the transfer")
def test_a_line_that_breaks_while_programming(tmp_path: Path):
    """The pump dies before the review: nothing was committed, and that is what is said."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        with Client.connect(emulator.port, timeout_s=0.05) as client:
            client.status()
            emulator.kill()
            with pytest.raises(Unanswered) as caught:
                Review.of(client, load_therapy(changed(tmp_path, '"2.4 mg/day"', '"3 mg/day"')))
    assert "before anything was committed: the pump goes on as it was" in str(caught.value)
