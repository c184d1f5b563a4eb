"""One validation of drug libraries: what is out of order is refused when made, signed, verified and used."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from host.cli.conftest import Thecal
from thecal.therapy.drug_library import signing
from thecal.therapy.toml_file import parse_toml

from .conftest import Institution

ROW = """
[[drug.stability]]
up_to = "{up_to}"
days = {days}
source = "s"
provisional = true
"""
STEP = """
[drug.step]
source = "s"
provisional = true
"""
RULE = """
[[drug.rule]]
name = "withdrawal"
source = "s"
provisional = true
"""
AFTER = '[[drug]]\nname = "hydromorphone"'  # what stands after the figures of morphine


def rows(*pairs: tuple[str, int]) -> str:
    return "".join(ROW.format(up_to=up_to, days=days) for up_to, days in pairs)


# what is put in the place of what; what is said
WRONG = [
    (
        AFTER,
        rows(("20 mg/mL", 90), ("10 mg/mL", 20)) + AFTER,
        "stability[2] up to 10 mg/mL does not come after",
    ),
    (
        AFTER,
        rows(("10 mg/mL", 90), ("10 mg/mL", 20)) + AFTER,
        "stability[2] up to 10 mg/mL does not come after",
    ),
    (AFTER, STEP + AFTER, "has neither rise nor percent"),
    (AFTER, RULE + RULE + AFTER, "the rule withdrawal stands twice"),
    ('low = "0.1 mg/day"', 'low = "0.6 mg/day"', "its low is above its high"),
    ('high = "0.5 mg/day"', 'high = "16 mg/day"', "its start, 16 mg/day, is above its dose limit, 15 mg/day"),
    ('"10 mg/mL", "25 mg/mL"', '"10 mg/mL", "10 mg/mL"', "a concentration stands twice"),
    ("first_days = 14", "first_days = 41", "first_days is above days"),
    ('rise = "2.4 mcg/day"', 'rise = "1 mg/day"', "a rise of 1 mg/day, is above its dose limit"),
    ('name = "hydromorphone"', 'name = "Mor-phine."', '"Mor-phine." stands twice'),
    ('name = "hydromorphone"', 'name = "+++"', "neither a letter nor a digit"),
    ("issued", 'issued = "tomorrow"', '"tomorrow" is no date'),
    ("issued", 'issued = "2026-02-30"', '"2026-02-30" is no date'),
    ("issued", 'issued = "20261122"', '"20261122" is no date'),
    ("issued", "issued = 20261122", "is no date"),
]


def spoilt(text: str, old: str, new: str) -> str:
    if old == "issued":
        old = next(line for line in text.splitlines() if line.startswith("issued ="))
    assert old in text, old
    return text.replace(old, new, 1)


def signed_anyway(path: Path, text: str, key: Path) -> None:
    """As a tool without the validation would sign it."""
    document = parse_toml(text, str(path))
    public, signature = signing.sign(document, signing.read_key(key))
    path.write_text(signing.with_signature(text, public, signature))


@pytest.mark.req("HOST-18")
@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_out_of_order_is_refused_everywhere(
    institution: Institution, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
):
    path = institution.library()
    text = spoilt(signing.without_signature(path.read_text()), old, new)
    path.write_text(text)
    assert said in institution.thecal("library", "sign", path, "--key", institution.key).error
    assert path.read_text() == text
    signed_anyway(path, text, institution.key)
    assert said in institution.thecal("library", "verify", path).error
    assert said in institution.thecal("library", "use", path).error
    monkeypatch.setenv("THECAL_LIBRARY", str(path))
    assert said in institution.thecal("check", "examples/morphine-constant.toml").error
    more = path.with_name("more.toml")
    made = institution.thecal("library", "make", more, "--name", "n", "--issuer", "i")
    if "issued" not in old:
        assert said in made.error
        assert not more.exists()


@pytest.mark.req("HOST-18", part="rows in order are used in order")
def test_a_filling_keeps_as_long_as_its_own_row_says(
    institution: Institution, monkeypatch: pytest.MonkeyPatch
):
    from thecal.therapy.drug_library.rules import stable_days

    path = institution.library(changes={AFTER: rows(("10 mg/mL", 20), ("20 mg/mL", 90)) + AFTER})
    monkeypatch.setenv("THECAL_LIBRARY", str(path))
    found = [stable_days("Morphine HCl", mg * 1_000_000) for mg in (9, 10, 11, 20, 21)]
    assert found == [20, 20, 90, 90, None]


@pytest.mark.req("HOST-18", part="a date that has not come")
def test_a_library_of_the_future_is_neither_signed_nor_taken(institution: Institution):
    path = institution.library()
    later = date.today() + timedelta(days=3)
    text = spoilt(signing.without_signature(path.read_text()), "issued", f'issued = "{later}"')
    path.write_text(text)
    for command in (("sign", path, "--key", institution.key),):
        assert f"issued on {later}" in institution.thecal("library", *command).error
    signed_anyway(path, text, institution.key)
    for what in ("verify", "use"):
        assert f"issued on {later}" in institution.thecal("library", what, path).error


def test_the_shipped_one_passes(quick_thecal: Thecal):
    assert quick_thecal("library", "show").code == 0
