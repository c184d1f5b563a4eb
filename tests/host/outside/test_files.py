"""Hostile files: whatever stands under a name, every reader ends in one line, soon and small.

`READERS`: each reader with a good file. `KINDS`: what may be wrong with any, made from the good one.
"""

import contextlib
import io
import json
import os
import shutil
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host.history.samples import log, write
from host.outside.hostile import MORPHINE
from host.outside.readers import good_files, taken
from host.outside.test_shown import OBEYED
from support.bounded import bounded
from thecal import cli
from thecal._io import input_file
from thecal.errors import FileError, FlashError, ThecalError
from thecal.firmware_build import bundle

MORE_BYTES, MOST_S = 100_000_000, 20.0
SOAK = bool(os.environ.get("THECAL_SOAK"))
RUNS = 100_000 if SOAK else 300
EVENTS = '[[event]]\nat = "1 h"\ndo = "stop"\n\n[[event]]\nat = "2 h"\ndo = "resume"\n'


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good file for each reader, which it takes."""
    return good_files(lambda: tmp_path_factory.mktemp("good"))


def _fifo(good: Path, path: Path) -> None:
    os.mkfifo(path)


def _sparse(good: Path, path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3_000_000_000)


def _zeros(good: Path, path: Path) -> None:
    path.symlink_to("/dev/zero")


def _made(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], object]:
    return lambda good, path: path.write_bytes(change(good.read_bytes()))


KINDS: dict[str, Callable[[Path, Path], object]] = {
    "a pipe that nobody fills": _fifo,
    "a folder": lambda good, path: path.mkdir(),
    "/dev/zero": _zeros,
    "/dev/null": lambda good, path: path.symlink_to("/dev/null"),
    "a loop of links": lambda good, path: path.symlink_to(path),
    "nothing": lambda good, path: path.symlink_to(path.with_name("none")),
    "empty": _made(lambda data: b""),
    "3 GB of holes": _sparse,
    "cut": _made(lambda data: data[: len(data) // 2]),
    "one byte": _made(lambda data: data[:1]),
    "UTF-16": _made(lambda data: b"\xff\xfe" + bytes(b for c in data for b in (c, 0))),
    "not UTF-8": _made(lambda data: data[:40] + b"\xff\xc0\x80" + data[40:]),
    "zeros amid": _made(lambda data: data[:40] + bytes(4) + data[40:]),
    "a line of 30 MB": _made(lambda data: data + b"x" * 30_000_000),
    "nested 100,000 deep": _made(lambda data: b'{"kind":"thecal-record","events":' + b"[" * 100_000),
    "nested in every line": _made(
        lambda data: b"\n".join(b"{" * 9 + b'"a":' * 3 + b"[" * 4000 for _ in range(200))
    ),
    "a million small values": _made(lambda data: b'{"events":[' + b"0," * 5_000_000 + b"0]}"),
    "numbers of 5,000 digits": _made(lambda data: data.replace(b"1", b"1" * 5000, 3)),
    "1e999": _made(
        lambda data: data.replace(b": 1", b": 1e999").replace(b"= 1", b"= 1e999").replace(b",1", b",1e999")
    ),
    "NaN": _made(
        lambda data: data.replace(b": 1", b": NaN").replace(b"= 1", b"= nan").replace(b",1", b",nan")
    ),
    "negative": _made(
        lambda data: data.replace(b": 1", b": -1").replace(b"= 1", b"= -1").replace(b",1", b",-1")
    ),
    "words for numbers": _made(
        lambda data: data.replace(b": 1", b': "1').replace(b"= 1", b'= "1"').replace(b",1", b",one")
    ),
}


@pytest.mark.req("HOST-24", part="every kind of file, every reader")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind(
    kind: str, good: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(input_file, "_PATIENCE_S", 0.05)
    for name, path in good.items():
        place = tmp_path / name / path.name
        place.parent.mkdir()
        KINDS[kind](path, place)
        if kind in (
            "negative",
            "words for numbers",
            "1e999",
            "NaN",
            "numbers of 5,000 digits",
            "zeros amid",
            "not UTF-8",
        ):
            taken(name, place)  # where such a number stands is another matter in each
        elif not (name == "events" and kind in ("/dev/null", "empty")) and (
            (name != "store" or kind not in ("empty", "one byte", "a line of 30 MB"))
            and (name == "record" or kind != "cut")
        ):
            assert taken(name, place) is not None, name
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


@pytest.mark.req("HOST-24", part="a byte-order mark is no mistake")
@pytest.mark.parametrize(
    "name", ["therapy", "events", "flow", "record", "log lines", "log document", "log table"]
)
def test_a_byte_order_mark(name: str, good: dict[str, Path], tmp_path: Path):
    path = tmp_path / good[name].name
    path.write_bytes(b"\xef\xbb\xbf" + good[name].read_bytes().replace(b"\n", b"\r\n"))
    assert taken(name, path) is None


@pytest.mark.req("HOST-24", part="pipes that are filled")
def test_a_pipe_with_a_file_in_it(good: dict[str, Path], tmp_path: Path):
    for name in ("therapy", "flow"):
        place = tmp_path / name
        os.mkfifo(place)
        writer = threading.Thread(target=place.write_bytes, args=(good[name].read_bytes(),))
        writer.start()
        assert taken(name, place) is None
        writer.join()


def _zip(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.req("HOST-24", part="bundles")
@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bundle_that_expands(how: int, tmp_path: Path):
    """Also one whose header says that it is small."""
    size = 150_000_000 if how == zipfile.ZIP_DEFLATED else 2_000_000
    path = _zip(tmp_path / "x", {"bundle.json": bytes(size)}, how)
    assert path.stat().st_size < 1_400_000
    with bounded("big"), pytest.raises(FlashError):
        bundle.read(path)
    data = bytearray(path.read_bytes())
    for at in (22, data.rfind(b"PK\1\2") + 24):
        struct.pack_into("<I", data, at, 1000)
    path.write_bytes(data)
    with bounded("lying"), pytest.raises(FlashError):
        bundle.read(path)


@pytest.mark.req("HOST-24", part="bundles")
@pytest.mark.parametrize(
    "version", ["1" * 5000 + ".0.0", "1.2", "\u0661.2.3", "1.2.3\n", "-1.2.3", "1e9.0.0"]
)
def test_a_version_that_is_none(version: str, tmp_path: Path):
    with pytest.raises(FlashError, match="is no version"):
        bundle.make(tmp_path / "x", {"a": b""}, version, Ed25519PrivateKey.generate())


@pytest.mark.req("HOST-24", part="the words")
def test_what_is_wrong_is_said(good: dict[str, Path], tmp_path: Path):
    lines = good["log lines"].read_text().splitlines()
    for name, text, words in (
        ("flow", "\ufeffminutes,uL\n0,0\n15,1e999\n", "line 3: '15,1e999' is no pair of numbers"),
        ("flow", "minutes,uL\n0," + "9" * 200_000, "a line longer than any record"),
        ("log report", lines[0].replace('"sequence"', '"sequenz"'), "line 1: 'sequence' is missing"),
        (
            "log lines",
            lines[0] + "\n" + lines[1].replace('"a":', '"a": 1e999, "z":'),
            "line 2: no record of a log",
        ),
        (
            "log lines",
            lines[0].replace('"sequence": 1', '"sequence": 1.5'),
            "line 1: no record of a log (1.5 is no whole",
        ),
        ("record", '{"kind": "thecal-record", "schema": 1, "x": ' + "[" * 99_999, "nested too deep"),
    ):
        path = tmp_path / good[name].name
        path.write_text(text)
        error = taken(name, path)
        assert error is not None, name
        assert words in str(error)


# commands that name a file, {f}; what else they need is there
COMMANDS = (
    "check {f}",
    "simulate {f} --for 1h",
    "simulate {m} --for 1h --events {f}",
    "library verify {f}",
    "library use {f}",
    "library sign {f} --key {f}",
    "report --log {f} --out {d}/r.html",
    "report --flow {f} --rate '1 mL/day' --out {d}/r.html",
    "store import {f} --pump P-1",
    "flash --image {d}/x.uf2 --micropython {f}",
    "flash --port /dev/none --bundle {f}",
    "program {f} --yes --port /dev/none",
    "session --therapy {f} --yes --port /dev/none",
)


@pytest.mark.req("HOST-24", part="commands")
def test_commands_with_files_of_another_kind(
    good: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(input_file, "_PATIENCE_S", 0.05)
    monkeypatch.setenv("THECAL_STORE", str(tmp_path / "store.sqlite"))
    kinds = (
        KINDS
        if SOAK
        else ["a pipe that nobody fills", "a folder", "/dev/zero", "nested 100,000 deep", "not UTF-8"]
    )
    for kind in kinds:
        place = tmp_path / kind.replace("/", "_")
        KINDS[kind](good["log lines"], place)
        for command in COMMANDS:
            words = [
                word.strip("'").format(f=place, m=MORPHINE, d=tmp_path)
                for word in command.replace("1 mL", "1_mL").split()
            ]
            out, err = io.StringIO(), io.StringIO()
            with bounded(command), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.run([word.replace("1_mL", "1 mL") for word in words])
            assert code in (1, 2), (kind, command)
            assert err.getvalue().count("\n") == 1, (kind, command, err.getvalue())
            assert not OBEYED.search(err.getvalue().replace("\n", ""))


@pytest.mark.req("HOST-24", part="the store")
def test_a_store_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    good = tmp_path / "good.sqlite"
    monkeypatch.setenv("THECAL_STORE", str(good))
    with contextlib.redirect_stdout(io.StringIO()):
        assert (
            cli.run(["store", "import", str(write(tmp_path / "l.jsonl", log(1, 300))), "--pump", "P-1"]) == 0
        )
    places: list[Path] = []
    for kind in (
        "a pipe that nobody fills",
        "a folder",
        "/dev/zero",
        "/dev/null",
        "cut",
        "not UTF-8",
        "a loop of links",
    ):
        KINDS[kind](good, place := tmp_path / f"kind{len(places)}.sqlite")
        places.append(place)
    for place in places:
        monkeypatch.setenv("THECAL_STORE", str(place))
        for command in (
            ["history"],
            ["store", "info"],
            ["store", "export", "--format", "csv", str(tmp_path / "out")],
        ):
            err = io.StringIO()
            with (
                bounded(str(command)),
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(err),
            ):
                assert cli.run(command) in (0, 1), place
            assert err.getvalue().count("\n") <= 1, err.getvalue()


def test_json_that_is_refused():
    for text in (
        "NaN",
        "-Infinity",
        "1e999",
        "9" * 5000,
        "[" * 70 + "]" * 70,
        "[" * 10**6,
        "{",
        '{"a":1}}',
        "[0" + ",0" * 10**6 + "]",
    ):
        with pytest.raises(ValueError):
            input_file.json_of(text)
    assert input_file.json_of(json.dumps({"a": ["\u202e", 1.5, None]})) == {"a": ["\\u202e", 1.5, None]}


def test_one_class_of_error():
    assert issubclass(FileError, ThecalError)
