"""Library files: made, signed, verified, used; and every way to be wrong."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from host.cli.conftest import Thecal
from thecal.therapy.drug_library import signing, store
from thecal.therapy.drug_library.model import EXAMPLES, read_model

from .conftest import Institution

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference" / "library.md"


def plain_canonical(value: object) -> str:
    """The canonical form, written again from docs/reference/library.md."""
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{plain_canonical(k)}:{plain_canonical(value[k])}" for k in sorted(value)) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(plain_canonical, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def test_the_shipped_library_by_a_second_reader():
    """Signature and digest by the words of the docs, every figure with source and mark."""
    document = tomllib.loads(store.SHIPPED.read_text())
    part = document.pop("signature")
    content = plain_canonical(document).encode()
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(part["key"]))
    key.verify(bytes.fromhex(part["value"]), b"thecal drug library v1\0" + content)
    assert part["key"] == store.SHIPPED_KEY
    names = [drug["name"] for drug in document["drug"]]
    assert (
        names
        == "morphine hydromorphone ziconotide fentanyl sufentanil bupivacaine clonidine baclofen".split()
    )
    for drug in document["drug"]:
        for value in drug.values():
            for figure in value if isinstance(value, list) else [value]:
                if isinstance(figure, dict):
                    assert figure["source"].startswith("thecal clinical notes")
                    assert figure["provisional"] is True
    baclofen = document["drug"][-1]
    assert {rule["name"] for rule in baclofen["rule"]} == {"no_patient_bolus", "withdrawal"}


@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs"]))),
        lambda inner: st.one_of(
            st.lists(inner), st.dictionaries(st.text(st.characters(max_codepoint=255)), inner)
        ),
    )
)
def test_canonical_bytes_against_a_second_implementation(value: object):
    assert signing.canonical({"x": value}) == plain_canonical({"x": value}).encode()


def test_the_file_on_the_page_is_read_and_shows_every_field():
    text = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)[0]
    document = tomllib.loads(text)
    del document["signature"]
    assert read_model(document).drugs[0].name == "ziconotide"
    for field in EXAMPLES:
        assert re.search(rf"\b{field.rpartition('.')[2]}\b", text), field


def test_own_library_is_made_signed_and_used(institution: Institution):
    thecal = institution.thecal
    path = institution.library(changes={'soft = "15 mg/day"': 'soft = "12 mg/day"'})
    shown = json.loads(thecal("library", "verify", path, "--json").out)
    assert (shown["name"], shown["version"], shown["trusted_as"]) == ("own", 3, "us")
    assert thecal("library", "use", path).code == 0
    assert "soft 12 mg/day" in thecal("library", "show", "morphine").out
    old = institution.library("old.toml", version=4)
    text = old.read_text().replace("version = 4", "version = 1")
    old.write_text(text)
    assert thecal("library", "sign", old, "--key", institution.key).code == 0
    assert "older than the one in use, 3" in thecal("library", "use", old).error


def test_comments_may_change(institution: Institution):
    path = institution.library()
    path.write_text("# reviewed\n" + path.read_text().replace('name = "own"', 'name   =   "own"  # ours'))
    assert institution.thecal("library", "verify", path).code == 0


BAD = [
    (lambda text: signing.without_signature(text), "the library is not signed"),
    (lambda text: text.replace('"15 mg/day"', '"16 mg/day"'), "altered after it was signed"),
    (
        lambda text: text.replace("provisional = true", "provisional = false", 1),
        "altered after it was signed",
    ),
    (lambda text: text[:-8] + '000000"\n', "altered after it was signed"),
    (lambda text: text.replace('key = "', 'key = "zz'), "[signature] is damaged"),
    (lambda text: text.replace("schema = 1", "schema = "), "is not valid TOML"),
]


@pytest.mark.parametrize(("spoil", "said"), BAD, ids=range(len(BAD)))
def test_a_bad_library_is_refused_wherever_it_is_met(
    institution: Institution, spoil, said: str, monkeypatch: pytest.MonkeyPatch
):
    path = institution.library()
    path.write_text(spoil(path.read_text()))
    assert said in institution.thecal("library", "verify", path).error
    monkeypatch.setenv("THECAL_LIBRARY", str(path))
    for command in (("check", "examples/morphine-constant.toml"), ("library", "show")):
        assert said in institution.thecal(*command).error


def test_a_stranger_and_a_malformed_one(institution: Institution):
    path = institution.library()
    for trusted in store.keys_folder().glob("*.pub"):
        trusted.unlink()
    error = institution.thecal("library", "verify", path).error
    assert "signed by a key that is not trusted here" in error
    assert f"thecal library trust {institution.public}" in error
    text = path.read_text()
    for old, new, said in (
        ('soft = "15 mg/day"', 'soft = "15 mg"', "drug[1].dose.soft"),
        ('soft = "15 mg/day"', "soft = 15", "has no unit"),
        ('soft = "15 mg/day"', 'sof = "15 mg/day"', "did you mean soft?"),
        ('hard = "20 mg/day"', 'hard = "10 mg/day"', "soft limit is above its hard limit"),
        ("version = 3", "version = 0", "is no version"),
        ('name = "hydromorphone"', 'name = "Morphine"', "stands twice"),
    ):
        path.write_text(text.replace(old, new, 1))
        assert said in institution.thecal("library", "sign", path, "--key", institution.key).error


def test_keys(institution: Institution):
    thecal = institution.thecal
    assert "exists already" in thecal("library", "make-key", institution.key).error
    assert "is no public key" in thecal("library", "trust", "abc", "--name", "x").error
    path = institution.library()
    assert "no signing key" in thecal("library", "sign", path, "--key", path).error
    assert "cannot be read" in thecal("library", "sign", path, "--key", path.with_name("none")).error
    assert "exists already" in thecal("library", "make", path, "--name", "a", "--issuer", "b").error
    low = path.with_name("low.toml")
    made = thecal("library", "make", low, "--name", "a", "--issuer", "b", "--version", 1)
    assert "not above that of the library in use" in made.error


def test_a_library_that_is_not_there(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("THECAL_LIBRARY", str(tmp_path / "none.toml"))
    assert "there is no drug library" in quick_thecal("check", "examples/morphine-constant.toml").error
