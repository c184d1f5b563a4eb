"""The page about therapy files shows what the code reads."""

import re
from pathlib import Path

import pytest

import therapy_fields
from host.therapy.samples import MORPHINE, errors_of, with_lines
from thecal.emulator import injections as faults
from thecal.simulation.scenario import models
from thecal.simulation.scenario.load import parse_events
from thecal.therapy.models import EXAMPLES
from thecal.units import registry


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).resolve().parents[3] / "docs" / "reference" / "therapy-files.md").read_text()


def blocks(page: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", page, re.DOTALL)


def test_the_therapy_on_the_page_is_sound_and_shows_every_field(page: str):
    text, plan, taper, bridge, _ = blocks(page)
    assert errors_of(text) == []
    for added in (plan, taper, bridge):
        assert errors_of(with_lines(MORPHINE, dose="5 mg/day") + added) == []
    text = "".join(blocks(page)[:4])
    for field in EXAMPLES:
        name = field.rpartition(".")[2]
        assert re.search(rf"\b{name}\b", text) or name == "NAME", field


def test_the_events_on_the_page_are_read(page: str):
    assert len(parse_events(blocks(page)[-1], "page", Path())) == 7


def test_every_event_and_unit_is_on_the_page(page: str):
    for name in [*models.DO, *faults.INJECT]:
        assert re.search(rf"\b{name}\b", page), name
    for unit in registry.UNITS:
        assert f"`{unit[2].split()[0]}`" in page, unit


def test_the_table_of_fields_is_the_models():
    assert therapy_fields.main(["--check"]) == 0, "run `python tools/generate/therapy_fields.py`"
    table = therapy_fields.written().split(therapy_fields.BEGIN)[1].split(therapy_fields.END)[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    named = {path for path in EXAMPLES if not EXAMPLES[path].startswith("[")}
    assert {row.split("`")[1] for row in rows} == named
