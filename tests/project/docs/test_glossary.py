"""docs/reference/glossary.md: the field's words stand there, once each, and lead somewhere."""

import re
from pathlib import Path

import pytest

# What somebody greps for who knows pumps, firmware or clinics; and what names in the code are to be called.
FIELD = """
basal rate; bolus; bridge bolus; catheter tip; clinician bolus; concentration; dead volume; dose bound;
drug library; extended bolus; flex; hard limit; implant flag; infusion source; KVO; keep-open rate;
lockout; mixture; patient bolus; periodic bolus; plan; pocket fill; prescription; priming; program;
refill; reservoir; reservoir fill; residual volume; rolling window; soft limit; stability; taper;
titration; therapy controller; withdrawal; accumulator; board; calibration; catch-up; delivery interlock;
dose guard; lost step; lost steps; motor step; open segment; close segment; PIO programs; resume; run;
sleep; stall; step schedule; trumpet curve; UART; watchdog; watchdog feeder; annunciator; ERI; EOS;
fault; free flow; occlusion; over-infusion; under-infusion; self test; silence; bigint; event log; event
queue; evaluate; poll; apply; ledger; persistence; power cut; reservation; steps before reset; torn
write; wear levelling; before commit; button authorization; challenge; CommandOutcome; commit; pairing;
proposal; rate limit; refused; role; rx enabled; session; uncertain delivery; campaigns; expected state;
firmware faults; history; interrogation; monitor; multi boot; oracle; random scenario; RNG; trace;
workflows
"""


@pytest.fixture(scope="module")
def entries(repo_root: Path) -> list[str]:
    page = (repo_root / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    return [" ".join(one.split()) for one in re.findall(r"^- (\*\*.+?)(?=\n- |\n\n|\Z)", page, re.M | re.S)]


def terms(entry: str) -> list[str]:
    return re.findall(r"\*\*([^*]+)\*\*", entry.partition(":")[0])


def test_the_fields_words_stand_there(entries: list[str]):
    found = {term for entry in entries for term in terms(entry)}
    assert {" ".join(term.split()) for term in FIELD.split(";")} - found == set()


def test_each_word_once(entries: list[str]):
    found = [term.lower() for entry in entries for term in terms(entry)]
    assert sorted(found) == sorted(set(found))


def test_each_says_something_and_leads_somewhere(entries: list[str], repo_root: Path):
    """To a page (tests/project/docs/test_docs.py follows the links) or a folder."""
    for entry in entries:
        text = entry.partition(": ")[2]
        folders = re.findall(r"`([a-z_]+/[a-z0-9_/]*)`", text)
        assert all((repo_root / folder).is_dir() for folder in folders), entry
        assert folders or re.search(r"\]\([^)]+\)", text), entry
        said = re.sub(r"\[[^\]]+\]\([^)]+\)|`[^`]+/`", "", text)
        assert len(said.split()) >= 4, entry
