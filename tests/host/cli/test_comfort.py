"""What makes the shell pleasant: ports by USB ids, completion, examples, --no-input, colours."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from serial.tools import list_ports

import cli_table
from thecal.cli import which_pump
from thecal.cli.app import app
from thecal.cli.commands import SECTIONS
from thecal.cli.declare import EXAMPLES
from thecal.emulator.emulator import Emulator
from thecal.firmware_build import ports
from thecal_protocol.version import VERSION

from .conftest import MORPHINE, THECAL, Thecal

PICO = SimpleNamespace(
    device="/dev/ttyACM1",
    vid=0x2E8A,
    pid=0x0005,
    serial_number="E66",
    product="Board in FS mode",
    description="",
)
PROBE = SimpleNamespace(
    device="/dev/ttyACM0", vid=0x2E8A, pid=0x000C, serial_number=None, product="Debugprobe", description=""
)
OTHER = SimpleNamespace(
    device="/dev/ttyUSB0", vid=0x0403, pid=0x6001, serial_number="A5", product="FT232R", description=""
)
BARE = SimpleNamespace(
    device="/dev/ttyS0", vid=None, pid=None, serial_number=None, product=None, description="n/a"
)


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [BARE, OTHER, PICO, PROBE])


@pytest.mark.usefixtures("boards")
def test_ports(quick_thecal: Thecal):
    assert [port.device for port in ports.found()] == [
        "/dev/ttyACM0",
        "/dev/ttyACM1",
        "/dev/ttyS0",
        "/dev/ttyUSB0",
    ]
    assert [one.device for one in which_pump.here()] == ["/dev/ttyACM0", "/dev/ttyACM1"]
    lines = quick_thecal("ports").out.splitlines()
    assert lines[0].split() == ["*", "/dev/ttyACM0", "2e8a:000c", "-", "Raspberry", "Pi,", "Debugprobe"]
    assert lines[1].split()[:4] == ["*", "/dev/ttyACM1", "2e8a:0005", "E66"]
    assert lines[3].startswith("  /dev/ttyUSB0")
    document = json.loads(quick_thecal("ports", "--json").out)
    assert [port["likely"] for port in document["ports"]] == [True, True, False, False]


@pytest.mark.usefixtures("boards")
def test_without_a_port_the_boards_are_named(quick_thecal: Thecal):
    done = quick_thecal("status")
    assert done.code == 2
    assert "Boards here: /dev/ttyACM0, /dev/ttyACM1." in done.err
    assert done.err.count("\n") == 1


def test_no_port_at_all(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(list_ports, "comports", list)
    assert "No serial port is here" in quick_thecal("ports").out


def test_no_input(quick_thecal: Thecal, blank: Emulator, monkeypatch: pytest.MonkeyPatch):
    """A command that would ask fails at once, though somebody would say yes; nothing is changed."""
    for arguments in (["--no-input", "program", MORPHINE], ["program", MORPHINE, "--no-input"]):
        done = quick_thecal(*arguments, port=blank.port, stdin="y\n")
        assert "nobody may be asked (Program this on" in done.error
    monkeypatch.setenv("THECAL_NO_INPUT", "1")
    assert "nobody may be asked" in quick_thecal("program", MORPHINE, port=blank.port, stdin="y\n").error
    monkeypatch.delenv("THECAL_NO_INPUT")
    assert json.loads(quick_thecal("status", "--json", port=blank.port).out)["state"] == "unprogrammed"
    done = quick_thecal("program", MORPHINE, "--yes", "--no-input", port=blank.port)
    assert done.code == 0


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in getattr(command, "commands", {}).items():
        yield from leaves(part, f"{path} {name}".strip())
    if path:
        yield path, command


def test_examples_are_of_commands_that_exist_and_parse():
    root = typer.main.get_command(app)
    commands = dict(leaves(root))
    for path, examples in EXAMPLES.items():
        assert path in commands, path
        for example in examples:
            words = shlex.split(example.split(" > ")[0].split(" >> ")[0])
            assert words[0] == "thecal"
            rest = words[1 + len(path.split()) :]
            assert words[1 : 1 + len(path.split())] == path.split()
            commands[path].make_context(path, [word for word in rest if word != "--no-input"])


def test_the_table_of_commands_says_what_their_help_says():
    root: Any = typer.main.get_command(app)
    table = {name: entry.summary for section in SECTIONS.values() for name, entry in section.items()}
    assert list(root.commands) == list(table)
    assert table == {
        name: " ".join(part.help.split("\n\n")[0].split()) for name, part in root.commands.items()
    }


def test_the_table_of_commands_is_what_their_modules_declare():
    assert cli_table.main(["--check"]) == 0, "run `python tools/generate/cli_table.py`"


def test_examples_stand_in_the_help(quick_thecal: Thecal):
    assert "thecal bolus --patient" in quick_thecal("bolus", "--help").out
    assert "Examples:\n    thecal stop\n" in quick_thecal("stop", "--help").out


def test_completion(tmp_path: Path):
    """As bash asks: commands, and options of a command."""

    def complete(line: str) -> list[str]:
        environment = {
            **os.environ,
            "_THECAL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        done = subprocess.run(
            [THECAL], env=environment, capture_output=True, text=True, timeout=40, check=False, cwd=tmp_path
        )
        return done.stdout.split()

    assert complete("thecal pro") == ["program"]
    assert "--confirm-large-change" in complete("thecal program --confirm")
    assert "clock" in complete("thecal ")


def test_version(quick_thecal: Thecal):
    """What a report of a fault begins with; the protocol as an error of another version names it."""
    done = quick_thecal("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(rf"thecal {re.escape(VERSION)}, protocol \d+, table [0-9a-f]{{16}}\n", done.out)


def test_flags_have_no_type_in_the_help(quick_thecal: Thecal):
    text = quick_thecal("program", "--help").out
    assert "--confirm-large-change" in text
    assert re.search(r"--yes +Do not ask", text)


def test_no_colour_is_readable(thecal: Thecal, blank: Emulator):
    done = thecal("program", MORPHINE, port=blank.port, stdin="n\n")
    assert "\x1b" not in done.out
    assert "basal.dose" in done.out
