"""What the pages say holds: links lead somewhere, commands exist, numbers are the code's."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from project.docs.worked import Example, play, therapy, titles
from pump.dosing import history, planner
from pump.therapy import bounds, reservoir_fills, slots, therapy_controller
from thecal.cli.app import app

# Repeated here because they are worth a test of their own; what is private to a module is read as text.
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_TICK = re.compile(r"`([^`\n]+)`")


def pages(root: Path) -> list[Path]:
    """What people read: the doors in the root, and docs/."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_leads_somewhere(repo_root: Path):
    broken: list[str] = []
    for page in pages(repo_root):
        for groups in _LINK.findall(without_code(text_of(page))):
            target, _, anchor = (groups[0] or groups[1]).partition("#")
            if "://" in target:
                continue
            file = (page.parent / target).resolve() if target else page
            if not file.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and file.suffix == ".md" and anchor not in anchors(text_of(file)):
                broken.append(f"{page.name}: {target}#{anchor}")
    assert broken == []


def test_digits_are_grouped_as_commands_group_them(repo_root: Path):
    """By a space, as `thecal.units.amounts.count_text`; what is printed or typed stands between backticks."""
    grouped = re.compile(r"(?<![\w.,#/-])\d{1,3}(?:,\d{3})+(?![\w,]|\.\d)")
    for page in (repo_root / "README.md", *sorted((repo_root / "docs").rglob("*.md"))):
        prose = re.sub(r"```.*?```|`[^`]*`|^    .*$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        assert grouped.findall(prose) == [], page


def test_pages_stay_within_the_project(repo_root: Path):
    for page in pages(repo_root):
        for groups in _LINK.findall(text_of(page)):
            target = (groups[0] or groups[1]).partition("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).resolve().is_relative_to(repo_root), (page.name, target)


def test_decisions_are_numbered_and_complete(repo_root: Path):
    found = sorted((repo_root / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in found] == list(range(1, len(found) + 1))
    for page in found[1:]:
        text = text_of(page)
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        for part in ("Status:", "## Context", "## Decision", "## Consequences"):
            assert part in text, (page.name, part)


def commands() -> set[str]:
    group: Any = typer.main.get_command(app)
    return {"thecal " + name for name in group.commands}


def make_targets(root: Path) -> set[str]:
    return {
        "make " + name for name in re.findall(r"^([a-z]+):.*?## ", text_of(root / "Makefile"), re.MULTILINE)
    }


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/explanation/dosing.md",
        "docs/explanation/safety.md",
        "docs/explanation/storage.md",
        "docs/tutorial/session.md",
    ],
)
def test_commands_on_the_page_exist(repo_root: Path, name: str):
    text = text_of(repo_root / name)
    known = commands() | make_targets(repo_root)
    lines = [*_TICK.findall(without_code(text)), *re.findall(r"^ {4}\$? ?(\S.*)$", text, re.MULTILINE)]
    for block in re.findall(r"```.*?\n(.*?)```", text, re.DOTALL):
        lines += [line.removeprefix("$ ") for line in block.splitlines()]
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] in ("make", "thecal") and re.fullmatch(r"[a-z]+", words[1]):
            assert " ".join(words[:2]) in known, line


# --- dosing.md ---


@pytest.fixture(scope="module")
def dosing(repo_root: Path) -> str:
    return text_of(repo_root / "docs" / "explanation" / "dosing.md")


def number(text: str) -> int:
    return int(text.replace(" ", ""))


def test_bounds_on_the_page_are_the_pumps(dosing: str):
    rows = re.findall(r"^\| `(\w+)` \| ([\d ]+) \| ([\d ]+) \|$", dosing, re.MULTILINE)
    assert tuple((name, number(low), number(high)) for name, low, high in rows) == bounds.Bounds().table


def test_how_much_fits_is_what_the_firmware_sets_aside(dosing: str, repo_root: Path):
    section = dosing.split("## How much fits")[1].split("And of each amount")[0]
    said = {what: int(most) for what, most in re.findall(r"^\| ([^|]+) \| (\d+) \|", section, re.MULTILINE)}
    proposals = text_of(repo_root / "firmware" / "pump" / "link" / "proposals.py")
    delivery = slots.make_delivery(object(), object())
    assert said == {
        "drugs in a filling": bounds.MAX_DRUGS,
        "bytes of a drug's name": bounds.MAX_DRUG_NAME,
        "flex steps on a day": bounds.MAX_FLEX_STEPS_A_DAY,
        "flex steps in all": bounds.MAX_FLEX_STEPS,
        "periodic boluses in 24 h, of all together": bounds.MAX_PERIODIC_A_DAY,
        "periodic boluses": bounds.MAX_PERIODIC,
        "plan steps": bounds.MAX_PLAN_STEPS,
        "patient boluses in 24 h": bounds.MAX_PATIENT_PER_24H,
        "fillings with different drugs or concentrations": reservoir_fills.MAX_FILLS,
        "bytes of a proposal": int(re.findall(r"^MAX_PROPOSAL = (\d+)", proposals, re.MULTILINE)[0]),
        "sources at once, beside the basal flow": len(delivery.sources.adding),
    }


def test_numbers_in_the_text(dosing: str, repo_root: Path):
    plain = " ".join(dosing.split())
    assert f"The ring holds {history.CAPACITY} entries" in plain
    assert therapy_controller.IMPLANT_S == 3600
    assert "Allowed for one hour after the implant/revision flag" in plain
    runs = text_of(repo_root / "docs" / "explanation" / "timing.md")
    assert f"up to {planner.RUN_STEPS} steps" in runs
    assert f"at most {planner.LOW_WATER} steps" in runs


def test_worked_examples_are_found(dosing: str):
    assert len(titles(dosing)) == 5
    assert all(len(Example(dosing, title).rows) >= 4 for title in titles(dosing))


def _bridged(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The therapy of the bridge's example, and the 10 mg/mL that ran before."""
    changes = tomllib.loads(
        '[catheter]\npump_tubing = "140.2 uL"\nlength = "89 cm"\nvolume_per_length = "2.2 uL/cm"\n'
        '[basal]\nmode = "continuous"\ndose = "5 mg/day"\n'
    )
    wire = therapy(root, changes)
    drug = dict(wire["drugs"][0], concentration_ng_per_ml=10_000_000)
    old = dict(wire, drugs=[drug])
    new = dict(wire, bridge=[{"dose_ng_per_day": 5_000_000, "concentration_ng_per_ml": 10_000_000}])
    refill = {"do": "refill", "volume_pl": 40_000_000_000, "residual_pl": 0}
    return new, [{"do": "program", "therapy": old}, refill]


@pytest.mark.parametrize(
    "title",
    [
        "A patient's bolus",
        "An extended bolus gives way",
        "A taper, and a stop",
        "A night rise, and the clock",
    ],
)
def test_worked_examples(dosing: str, repo_root: Path, title: str):
    example = Example(dosing, title)
    wire = therapy(repo_root, example.changes)
    assert play(example, wire, []) == [(rate, steps) for _, _, rate, steps in example.rows]


@pytest.mark.req("BOL-11", part="a bridge held by a stop ends when its volume has been given")
def test_worked_example_of_a_bridge(dosing: str, repo_root: Path):
    example = Example(dosing, "A bridge")
    new, begin = _bridged(repo_root)
    assert play(example, new, begin) == [(rate, steps) for _, _, rate, steps in example.rows]
