"""What is wrong ends in one clear line: exit code 1, or 2 for wrong usage."""

import json
import os
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from support.emulated_keys import keys_for
from thecal.emulator.emulator import Emulator
from thecal_protocol import framing
from thecal_protocol.codec import encode
from thecal_protocol.framing import FrameReader
from thecal_protocol.messages import REFUSED

from .conftest import DEADLINE_S, MORPHINE, Thecal, changed


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """A raw pty that no pump is on: (our end, its path)."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_no_port(thecal: Thecal):
    done = thecal("status")
    assert done.code == 2
    assert done.err.startswith(
        "thecal status: which pump? Give its --port, such as /dev/ttyACM0, or set THECAL_PORT."
    )
    assert done.err.count("\n") == 1


def test_missing_port(thecal: Thecal):
    assert thecal("status", "--port", "/dev/ttyNONE").error.startswith("there is no port /dev/ttyNONE; ")
    assert thecal("status", "--port", "bogus://x").error.startswith("'bogus://x' is no port")


def test_port_in_use(thecal: Thecal, pump: Emulator):
    with serial.Serial(pump.port, exclusive=True):
        assert thecal("status", "--port", pump.port).error == (
            f"the port {pump.port} is in use; close the other program that has it open, then try again"
        )


def test_silent_device(thecal: Thecal, line: tuple[int, str]):
    assert thecal("stop", "--port", line[1]).error.startswith(
        f"no answer from {line[1]} (hello was sent 5 times"
    )


def test_garbage(thecal: Thecal, line: tuple[int, str]):
    def chatter() -> None:
        os.read(line[0], 1)
        os.write(line[0], b"login: \0login: \0")

    device = threading.Thread(target=chatter)
    device.start()
    error = thecal("status", "--port", line[1]).error
    device.join()
    assert "is not thecal's protocol" in error
    assert "login" in error


def test_another_version(thecal: Thecal, line: tuple[int, str]):
    """A pump whose message tables are another."""

    def answer() -> None:
        reader = FrameReader()
        while not reader.ready:
            chunk = os.read(line[0], 256)
            reader.feed(chunk, 0, len(chunk))
        frame = bytearray(framing.FRAME_SIZE)
        payload: dict[str, object] = {"detail": "1/0011223344556677"}
        end = encode(REFUSED, payload, frame, framing.ANSWER_AT, framing.ANSWER_END)
        count = framing.seal_answer(frame, end, reader.session, reader.seq, reader.opcode, 4)
        os.write(line[0], bytes(frame[:count]))

    device = threading.Thread(target=answer)
    device.start()
    error = thecal("status", "--port", line[1]).error
    device.join()
    assert error.startswith("protocol_mismatch: this thecal speaks ")
    assert "the pump speaks 1/0011223344556677; use the thecal that came with the pump" in error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"2.4 mg/day"', "2.4", "basal.dose: 2.4 has no unit"),
        ('"2.4 mg/day"', '"-1 mg/day"', 'basal.dose: "-1 mg/day" is negative'),
        ('"2.4 mg/day"', '"0.1 ng/day"', "basal.dose: "),
        ("[basal]", "[basl]", "basl: is not a known field"),
        ("[basal]", "[basal", "is not valid TOML"),
    ],
)
@pytest.mark.req("HOST-01", part="files, from the command line")
def test_bad_therapy(quick_thecal: Thecal, tmp_path: Path, pump: Emulator, old: str, new: str, message: str):
    path = changed(tmp_path, old, new)
    assert message in quick_thecal("program", path, "--yes", port=pump.port).error
    assert message in quick_thecal("simulate", path, "--for", "1h").error


def test_missing_file(quick_thecal: Thecal):
    assert quick_thecal("simulate", "none.toml", "--for", "1h").error == (
        "none.toml cannot be read: no such file or directory; correct its name, or say in which folder it is"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", MORPHINE, "--for", "24"],
        ["simulate", MORPHINE, "--for", "-1h"],
        ["simulate", MORPHINE],
        ["simulate", MORPHINE, "--for", "1h", "--start", "monday"],
        ["simulate", MORPHINE, "--for", "1h", "--seed", "x"],
        ["emulate", "--speed", "fast"],
        ["emulate", "--speed", "-1"],
        ["monitor", "--json"],
        ["monitor", "--interval", "2", "--once"],
        ["nonsense"],
    ],
)
def test_wrong_usage(quick_thecal: Thecal, arguments: list[object]):
    done = quick_thecal(*arguments, port="/dev/null")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("thecal")
    assert done.err.count("\n") == 1, done.err


def test_places_that_cannot_be_written(quick_thecal: Thecal, tmp_path: Path):
    nowhere = tmp_path / "none" / "file"
    for option in ("--trace", "--flash"):
        error = quick_thecal("simulate", MORPHINE, "--for", "1h", option, nowhere).error
        assert f"{nowhere} cannot be written: no such file or directory" in error
    assert "there is no folder" in quick_thecal("emulate", "--flash", nowhere).error
    (tmp_path / "file").write_text("not a link")
    assert "exists and is not a link" in quick_thecal("emulate", "--link", tmp_path / "file").error


def test_check(quick_thecal: Thecal, tmp_path: Path):
    good = quick_thecal("check", MORPHINE)
    assert good.code == 0
    assert "refill by" in good.out
    bad = quick_thecal("check", changed(tmp_path, '"2.4 mg/day"', '"240 mg/day"'), "--json")
    assert bad.code == 1
    assert '"ok": false' in bad.out


MEND, NAME = "mend it and check it again", "or say in which folder it is"


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_an_unsound_therapy_is_told_in_one_line_on_stderr_too(
    quick_thecal: Thecal, tmp_path: Path, as_json: tuple[str, ...]
):
    """What a script shows that throws stdout away: what was wrong, and what to do."""
    unsound = changed(tmp_path, '"2.4 mg/day"', "2.4")
    for words, told, end in (
        ((unsound,), "basal.dose: 2.4 has no unit", MEND),
        ((tmp_path / "nowhere.toml",), "cannot be read", MEND if as_json else NAME),
        ((MORPHINE, "--running", tmp_path / "nowhere.toml"), "running: ", MEND),
    ):
        done = quick_thecal("check", *words, *as_json)
        assert (done.code, done.err.count("\n")) == (1, 1), done
        assert told in done.error
        assert done.error.endswith(end)
        assert not as_json or json.loads(done.out)["ok"] is False


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX"},
    ],
    ids=["ascii", "C", "POSIX"],
)  # fmt: skip
def test_a_terminal_without_utf_8(
    locale: dict[str, str], thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Tables, names of files and the help: readable or escaped, never a traceback; JSON stays JSON."""
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    odd = tmp_path / "Bäume-☃.toml"
    odd.write_text(MORPHINE.read_text().replace('"2.4 mg/day"', '"240 mg/day"'), encoding="utf-8")
    whole = "PYTHONIOENCODING" in locale  # every kind of command once; with the other two what they differ in
    with Emulator(seed=1) as emulator:
        for words, code in (
            (("program", MORPHINE, "--yes"), 0),
            (("status",), 0),
            (("status", "--json"), 0),
            (("monitor", "--once"), 0),
            (("library", "show"), 0),
            (("program", "--help"), 0),
            (("check", odd), 1),
            (("check", odd, "--json"), 1),
            (("check", tmp_path / "nö-☃.toml"), 1),
            (("report", "--out", tmp_path / "ü-☃.html"), 0),
            (("report", "--out", tmp_path / "ü-☃.html", "--json"), 0),
        ):
            if not whole and words not in (("program", "--help"), ("check", odd), ("check", odd, "--json")):
                continue
            done = thecal(*words, port=emulator.port)
            assert done.code == code, (words, done)
            assert "Traceback" not in done.err
            if "--json" in words:
                document = json.loads(done.out)
                name = document.get("html", "").encode("utf-8", "surrogateescape")
                assert name in (b"", os.fsencode(tmp_path / "ü-☃.html"))


def test_a_disk_that_is_full(pump: Emulator, tmp_path: Path):
    """What a command writes into a file is there whole or not at all, and one line says so."""
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from thecal.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    folder = tmp_path / "disk"
    folder.mkdir()
    made = folder / "l.toml"
    environment = {
        **os.environ, "THECAL_PORT": pump.port, **keys_for(pump.port),
        "PYTHONDONTWRITEBYTECODE": "1",  # Python puts a file that was cut off in place as if it were whole
    }  # fmt: skip
    for words, left in (
        (("report", "--out", folder / "r.html"), folder / "r.html"),
        (("report", "--out", tmp_path / "none" / "r.html"), None),
        (("library", "make", made, "--name", "Ours", "--issuer", "Us"), made),
    ):
        done = subprocess.run(
            [sys.executable, "-c", limited, *map(str, words)],
            env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done
        assert done.stderr.count("\n") == 1, done.stderr
        assert "cannot be written: " in done.stderr
        assert left is None or "File too large" in done.stderr
        assert list(folder.iterdir()) == []
