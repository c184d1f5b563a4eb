"""What a browser sends to begin with: read and checked whole before a pump starts."""

import io
import zipfile
from pathlib import Path

import pytest

from thecal.errors import ThecalError
from thecal.web.opening import MOST_BYTES, examples, opened
from thecal.web.server import zipped

EXAMPLE = "morphine-constant.toml"
BOLUS = b'[[event]]\nat = "1 h"\ndo = "patient_bolus"\n'


def therapy(repo_root: Path) -> bytes:
    return (repo_root / "examples" / EXAMPLE).read_bytes()


def test_an_example_alone(tmp_path: Path):
    found = opened(tmp_path, {}, EXAMPLE)
    assert (found.name, found.events, found.therapies()) == (EXAMPLE, [], sorted(examples()))


def test_a_scenario_with_the_example_and_a_therapy_of_its_own(tmp_path: Path, repo_root: Path):
    next_ = BOLUS + b'[[event]]\nat = "30 min"\ndo = "program"\nfile = "b.toml"\n'
    files = {"day.toml": next_, "b.toml": therapy(repo_root)}
    found = opened(tmp_path, files, EXAMPLE)
    assert found.name == EXAMPLE
    assert [event.what for _, event in found.events] == ["program", "patient_bolus"]
    assert "day.toml" not in found.therapies()


def test_an_archive_is_as_good_as_its_files(tmp_path: Path, repo_root: Path):
    text = therapy(repo_root).decode()
    found = opened(tmp_path, {"run.zip": zipped({"day.toml": BOLUS.decode(), "mine.toml": text})})
    assert (found.name, len(found.events)) == ("mine.toml", 1)


def bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.toml", b"#" * (MOST_BYTES + 1))
    return data.getvalue()


@pytest.mark.req("HOST-28", part="checked before anything starts")
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no therapy to begin with"),
        ({"day.toml": BOLUS}, "no therapy to begin with"),
        ({"a.toml": b"\xff\xfe"}, "UTF-16"),
        ({"a.toml": b"= 3"}, "not valid TOML"),
        ({"a.toml": b"a = 1"}, "schema"),
        ({"a.toml": BOLUS, "b.toml": BOLUS}, "2 events files"),
        ({"a.toml": b"{m}", "b.toml": b"{m}"}, "which one is the therapy"),
        ({"a.toml": b"{m}", "e.toml": BOLUS.replace(b"1 h", b"1")}, "event[1].at"),
        (
            {"a.toml": b"{m}", "e.toml": BOLUS.replace(b"patient_bolus", b"patient_bolos")},
            "did you mean patient_bolus",
        ),
        (
            {"a.toml": b"{m}", "e.toml": BOLUS.replace(b"patient_bolus", b'program"\nfile = "c.toml')},
            "was not opened with it",
        ),
        (
            {"a.toml": b"{m}", "e.toml": BOLUS.replace(b"patient_bolus", b'program"\nfile = "/etc/hostname')},
            "was not opened with it",
        ),
        (
            {"a.toml": b"{m}", "e.toml": BOLUS.replace(b"patient_bolus", b'program"\nfile = "../a.toml')},
            "was not opened with it",
        ),
        ({"a.toml": b"{m}", "e.toml": b"event = 3"}, "not a list of tables"),
        ({"../a.toml": b"{m}"}, "no name of a therapy"),
        ({"a/b.toml": b"{m}"}, "no name of a therapy"),
        ({".toml": b"{m}"}, "no name of a therapy"),
        ({"<b>.toml": b"{m}"}, "no name of a therapy"),
        ({"a.txt": b"{m}"}, "no name of a therapy"),
        ({"a.zip": b"PK"}, "no archive"),
        ({"a.zip": bomb()}, "no archive"),
        ({"a.zip": zipped({"../../a.toml": "x"})}, "no name of a therapy"),
        ({"a.toml": b"{m}", "b.zip": zipped({"a.toml": "x"})}, "two files a.toml"),
        ({"a.toml": b"#" * (MOST_BYTES + 1)}, "more than"),
        ({f"a{n}.toml": b"" for n in range(21)}, "more than 20 files"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_begins(
    tmp_path: Path, repo_root: Path, files: dict[str, bytes], words: str
):
    whole = {name: data.replace(b"{m}", therapy(repo_root)) for name, data in files.items()}
    with pytest.raises(ThecalError) as caught:
        opened(tmp_path, whole)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"start": "yesterday"}, "is not a date and time"),
        ({"seed": -1}, "seed"),
        ({"example": "x.toml"}, "known:"),
        ({"example": "../x.toml"}, "known:"),
    ],
)
def test_so_is_what_is_typed(tmp_path: Path, values: dict[str, object], words: str):
    with pytest.raises(ThecalError, match=words):
        opened(tmp_path, {}, **{"example": EXAMPLE, **values})  # pyright: ignore
