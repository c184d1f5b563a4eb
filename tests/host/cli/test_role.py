"""`--role`, typed: as whom the pump is talked to."""

import json
import os

import pytest

from thecal.emulator.emulator import Emulator

from .conftest import Thecal


@pytest.mark.req("SEC-05", part="the role on the command line")
def test_what_a_role_may_not_know_or_do(quick_thecal: Thecal, pump: Emulator):
    def say(*words: str):
        return quick_thecal(*words, port=pump.port)

    shown = json.loads(say("--role", "patient", "status", "--json").out)
    assert (shown["state"], shown["therapy"], shown["delivered_ng"]) == ("infusing", None, {})
    assert "not told to this role" in say("--role=patient", "status").out
    assert json.loads(say("--role", "observer", "status", "--json").out)["therapy"] == "Constant morphine"
    for role in ("observer", "patient", "manufacturer"):
        assert "the pump refused resume: wrong_role" in say("--role", role, "resume").error
    assert "wrong_role" in say("--role", "observer", "bolus", "--patient").error
    assert "lockout" in say("--role", "patient", "bolus", "--patient").error  # it may ask
    assert json.loads(say("status", "--json").out)["therapy"] == "Constant morphine"  # the next one is not it


@pytest.mark.req("SEC-05", part="the role on the command line")
def test_the_typed_role_counts_before_the_environment(
    quick_thecal: Thecal, pump: Emulator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("THECAL_ROLE", "patient")
    assert json.loads(quick_thecal("status", "--json", port=pump.port).out)["therapy"] is None
    typed = quick_thecal("--role", "clinician", "status", "--json", port=pump.port)
    assert json.loads(typed.out)["therapy"] == "Constant morphine"
    assert os.environ["THECAL_ROLE"] == "patient"


def test_whose_key_is_missing_is_told(thecal: Thecal, pump: Emulator):
    """A process of its own, which has the clinician's key alone."""
    error = thecal("--role", "patient", "status", port=pump.port).error
    assert error.startswith("there is no patient's key for the pump UNIX-C4494050 in ")
    assert error.endswith("pair with it: thecal pair --role patient")
    assert thecal("--role", "clinician", "status", port=pump.port).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--role", "nurse", "status"), "'nurse' is not one of 'observer', 'patient', 'clinician', 'manuf"),
        (("--role",), "'--role' requires an argument"),
        (("status", "--role", "patient"), "No such option: --role"),
    ],
)
def test_wrong_usage(quick_thecal: Thecal, pump: Emulator, words: tuple[str, ...], said: str):
    done = quick_thecal(*words, port=pump.port)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
