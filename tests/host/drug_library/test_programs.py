"""The library in programs: limits in host and pump, confirmations on record, no way back to an older one."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from host.cli.conftest import MORPHINE, changed
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.therapy.drug_library import store
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy, parse_therapy

from .conftest import Institution

BACLOFEN = MORPHINE.parent / "baclofen-night-rise.toml"


def values_of(path: Path = MORPHINE) -> dict[str, Any]:
    return to_wire(load_therapy(path))


@pytest.mark.req("HOST-05")
def test_version_and_digest_are_kept_with_the_program_and_in_the_log(pump: Emulator):
    used = store.current()
    with Client.connect(pump.port) as client:
        program = client.running_program()
        assert program is not None
        [library] = program["library"]  # type: ignore[misc]
        assert library["version"] == used.version
        assert library["digest"] == used.digest[:8]
        [committed] = [event for event in client.events() if event.kind == "program_committed"]
    assert (committed.a, committed.b.to_bytes(8, "little")) == (used.version, used.digest[:8])


@pytest.mark.req("SEC-12", "HOST-03", part="a soft limit of the drug library")
def test_a_soft_limit_needs_a_word_that_is_logged_with_both_values(institution: Institution, tmp_path: Path):
    strong = changed(tmp_path, '"20 mg/mL"', '"25 mg/mL"')
    with Emulator(seed=1) as emulator:
        refused = institution.thecal("program", strong, "--yes", port=emulator.port)
        assert "25 mg/mL is above the usual highest concentration of morphine, 20 mg/mL" in refused.error
        assert "--confirm-soft-limits" in refused.error
        with Client.connect(emulator.port) as client:
            assert client.running_program() is None
        done = institution.thecal(
            "program", strong, "--yes", "--confirm-soft-limits", "--json", port=emulator.port
        )
        assert done.code == 0, done.err
        [passed] = json.loads(done.out)["soft_limits"]
        assert (passed["what"], passed["value"], passed["limit"]) == ("concentration", 25_000_000, 20_000_000)
        with Client.connect(emulator.port) as client:
            [event] = [event for event in client.events() if event.kind == "soft_limit_passed"]
            assert (event.actor, event.a, event.b, event.ref) == ("clinician", 25_000_000, 20_000_000, 1)
        log = institution.thecal("log", port=emulator.port).out
        assert "drug 1, concentration: 25 mg/mL confirmed, the limit is 20 mg/mL" in log


@pytest.mark.req("SEC-12", part="a step of the dose")
def test_a_large_step_of_baclofen(institution: Institution, tmp_path: Path):
    with Emulator(seed=1) as emulator:
        assert institution.thecal("program", BACLOFEN, "--yes", port=emulator.port).code == 0
        more = tmp_path / "more.toml"
        more.write_text(BACLOFEN.read_text().replace('"8 mcg/h"', '"14 mcg/h"'))
        refused = institution.thecal("program", more, "--yes", port=emulator.port)
        assert "is a step of more than 30 %, the most that is usual for baclofen" in refused.error


@pytest.mark.req("SEC-11", part="hard limits of the drug library")
def test_hard_limits_in_the_host(institution: Institution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    own = institution.library(
        changes={
            'soft = "20 mg/mL"': 'soft = "10 mg/mL"\nhard = "20 mg/mL"',
            'soft = "15 mg/day"': 'soft = "5 mg/day"\nhard = "8 mg/day"',
        }
    )
    monkeypatch.setenv("THECAL_LIBRARY", str(own))
    for old, new, said in (
        ('"20 mg/mL"', '"20.1 mg/mL"', "20.1 mg/mL is above the hard limit of morphine, 20 mg/mL"),
        ('"6 mg"', '"8.1 mg"', "8.1 mg is above the hard limit of morphine, 8 mg/day"),
        ('max_dose_24h = "6 mg"', "", None),
        ('"2.4 mg/day"', '"8.1 mg/day"', "the schedule alone gives 8.1 mg of morphine"),
    ):
        done = institution.thecal("check", changed(tmp_path, old, new), "--json")
        errors = [error["message"] for error in json.loads(done.out)["errors"]]
        if said is None:
            assert errors == []
            values = values_of(tmp_path / "changed.toml")
            assert values["drugs"][0]["max_dose_24h_ng"] == 8_000_000  # the hard limit is the program's
        else:
            assert any(said in error for error in errors), errors
    monkeypatch.delenv("THECAL_LIBRARY")


def refusal(client: Client, values: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        client.propose_program(values)
    return caught.value.name, caught.value.detail


@pytest.mark.req("SEC-11", part="hard limits of the drug library, in the pump")
def test_hard_limits_in_the_pump_by_a_host_that_does_not_check(blank: Emulator):
    values = values_of()
    [library] = values["library"]
    [drug] = library["drugs"]
    with Client.connect(blank.port) as client:
        drug["max_concentration_ng_per_ml"] = 20_000_000
        drug["max_dose_24h_ng"] = 6_000_000
        client.propose_program(values)
        client.abort()
        drug["max_concentration_ng_per_ml"] = 19_999_999
        assert refusal(client, values) == ("hard_limit", "concentration morphine")
        drug["max_concentration_ng_per_ml"] = 0
        drug["max_dose_24h_ng"] = 5_999_999
        assert refusal(client, values) == ("hard_limit", "max_dose_24h morphine")
        drug["max_dose_24h_ng"] = 6_000_000
        values["drugs"][0]["max_dose_24h_ng"] = 0
        assert refusal(client, values) == ("hard_limit", "max_dose_24h morphine")
        values["drugs"][0]["max_dose_24h_ng"] = 6_000_000
        drug["rules"] = 1
        assert refusal(client, values) == ("drug_rule", "morphine")
        assert client.running_program() is None


@pytest.mark.req("SEC-11", part="what the program says of its library")
def test_a_library_section_that_makes_no_sense(blank: Emulator):
    good = values_of()
    entry = {"drug": 0, "what": 1, "value": 2, "limit": 1}
    wrong: list[tuple[str, Any, str]] = [
        ("version", 0, "out_of_range"),
        ("digest", b"short", "out_of_range"),
        ("drugs", [], "inconsistent"),
        ("confirmed", [{**entry, "drug": 1}], "inconsistent"),
        ("confirmed", [entry] * 16, "inconsistent"),
    ]
    with Client.connect(blank.port) as client:
        for name, value, reason in wrong:
            values = copy.deepcopy(good)
            values["library"][0][name] = value
            assert refusal(client, values) == (reason, "library")
        values = copy.deepcopy(good)
        values["library"] *= 2
        assert refusal(client, values) == ("inconsistent", "library")


@pytest.mark.req("SEC-16")
def test_an_older_library_needs_a_press_also_after_a_reset(
    institution: Institution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    newer = institution.library(version=7)
    flash = tmp_path / "flash"
    with Emulator(seed=1, flash=flash) as emulator:
        monkeypatch.setenv("THECAL_LIBRARY", str(newer))
        assert institution.thecal("program", MORPHINE, "--yes", port=emulator.port).code == 0
        monkeypatch.delenv("THECAL_LIBRARY")
        done = institution.thecal("program", MORPHINE, "--yes", "--no-input", port=emulator.port)
        assert "the drug library in use is version 2, older than 7" in done.out
        assert "needs_button" in done.error
    with Emulator(seed=1, flash=flash) as emulator, Client.connect(emulator.port) as client:
        values = values_of()
        values["library"][0]["version"] = 7
        assert refusal(client, values) == ("library_differs", "7")
        for version in (6, 7 + 1001, 2**32 - 1, None):
            values["library"][0]["version"] = version or 1
            without = {"library": [], "patient_bolus": []}  # it allows no bolus
            digest = client.propose_program(values if version else {**values, **without}).digest
            with pytest.raises(Refused, match="needs_button"):
                client.commit(digest)
        emulator.bench.press_button()
        client.commit(digest)  # without any library
        values["library"][0]["version"] = 1000
        client.commit(client.propose_program(values).digest)
        values["library"][0]["version"] = 2000
        client.commit(client.propose_program(values).digest)


def test_a_library_of_the_same_version_and_other_content(
    institution: Institution, monkeypatch: pytest.MonkeyPatch
):
    one, other = (
        institution.library("a.toml"),
        institution.library("b.toml", changes={'"15 mg/day"': '"14 mg/day"'}),
    )
    with Emulator(seed=1) as emulator:
        monkeypatch.setenv("THECAL_LIBRARY", str(one))
        assert institution.thecal("program", MORPHINE, "--yes", port=emulator.port).code == 0
        monkeypatch.setenv("THECAL_LIBRARY", str(other))
        error = institution.thecal("program", MORPHINE, "--yes", port=emulator.port).error
        assert "another drug library of the same version, 3" in error


def test_the_first_dose_of_a_pump_is_held_against_the_usual_start(institution: Institution, blank: Emulator):
    done = institution.thecal("program", MORPHINE, port=blank.port, stdin="n\n")
    assert "2.4 mg/day is above the usual start of morphine, 500 mcg/day" in " ".join(done.out.split())


def test_salts_are_found_by_their_first_word():
    therapy = parse_therapy(MORPHINE.read_text().replace('"morphine"', '"Morphine HCl"'))
    assert to_wire(therapy)["library"][0]["drugs"]  # type: ignore[index]
    assert store.current().drug("Morphine HCl") is store.current().drug("morphine")
    assert store.current().drug("") is None
