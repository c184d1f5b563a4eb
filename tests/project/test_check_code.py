"""The code rules: each forbidden thing in firmware is found where it stands, each length at its bound."""

from pathlib import Path

import pytest

import check_code

PUMP = "firmware/pump/part.py"
BOARD = "boards/unix/board.py"
HOST = "host_tools/thecal/part.py"

FORBIDDEN = [
    # text, rule
    ("x = 0.5", "float"),
    ("x = 1e6", "float"),
    ("x = 2j", "float"),
    ("x = a / b", "float"),
    ("x /= 2", "float"),
    ("x = float(a)", "float"),
    ("x = list(map(float, a))", "float"),
    ("x = 10 ** -6", "float"),
    ("x = array('d', (1, 2))", "float"),
    ("x = array.array('f')", "float"),
    ("struct.pack_into('<Id', buffer, 0, 1, 2)", "float"),
    ("assert x > 0", "assert"),
    ("try:\n    f()\nexcept:\n    g()", "except"),
    ("try:\n    f()\nexcept Exception:\n    g()", "except"),
    ("try:\n    f()\nexcept (OSError, BaseException) as error:\n    g()", "except"),
    ("try:\n    f()\nexcept OSError:\n    pass", "except"),
    ("while 1:\n    try:\n        f()\n    except OSError:\n        'ignored'\n        continue", "except"),
    ("x = eval(text)", "dynamic"),
    ("exec(text)", "dynamic"),
    ("setattr(pump, name, 1)", "dynamic"),
    ("match x:\n    case 1:\n        pass", "dynamic"),
]

HARMLESS = [
    '"""Rates of 0.5 mL/day: 1 / 2, float and assert in words only."""',
    "x = a // b  # not a / b",
    "x = 10 ** 6",
    "x = array('H', (1, 2))",
    "struct.pack_into('<IHQ', buffer, 0, 1, 2, 3)",
    "try:\n    f()\nexcept OSError as error:\n    log(error)",
    "try:\n    from micropython import const\nexcept ImportError:\n    def const(x):\n        return x",
    "x = 'print(1.5)'",
]


def write(root: Path, name: str, text: str) -> int:
    """Write a file in a new tree and check it; the exit code."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
    return check_code.main([str(root)])


@pytest.mark.parametrize("name", [PUMP, BOARD])
@pytest.mark.parametrize(("text", "rule"), FORBIDDEN, ids=[text for text, _ in FORBIDDEN])
def test_each_forbidden_thing_is_found(tmp_path, capsys, name, text, rule):
    assert write(tmp_path, name, f"ok = 1\n{text}") == 1
    first, closing = capsys.readouterr().out.splitlines()
    path, line, found_rule, _ = first.split(":", 3)
    assert (path, found_rule.strip()) == (name, rule)
    assert int(line) >= 2
    assert closing == "code rules: 1 findings in 1 files"


@pytest.mark.parametrize("text", ["print(x)", "open('file')", "input()"])
def test_input_and_output_are_for_boards(tmp_path, capsys, text):
    assert write(tmp_path, BOARD, text) == 0
    assert write(tmp_path, PUMP, text) == 1
    assert f"{PUMP}:1: io: " in capsys.readouterr().out


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_forbidden_passes(tmp_path, text):
    assert write(tmp_path, PUMP, text) == 0


@pytest.mark.parametrize("text", [text for text, _ in FORBIDDEN])
def test_firmware_rules_do_not_bind_the_host(tmp_path, text):
    assert write(tmp_path, HOST, text) == 0


def test_a_permitted_exception_passes_and_only_there(tmp_path, capsys):
    allowed = "x = 1 / 2  # allow: float - bench side, never on the pump"
    assert write(tmp_path, BOARD, allowed) == 0
    assert write(tmp_path, BOARD, f"{allowed}\ny = 1 / 2") == 1
    assert f"{BOARD}:2: float:" in capsys.readouterr().out


def function(lines: int) -> str:
    """A function of so many lines of code; its docstring, comment and blank lines do not count."""
    head = 'def f(x):\n    """Words.\n\n    More words.\n    """\n    # a comment\n\n'
    return head + "    x += 1\n" * (lines - 1)


@pytest.mark.parametrize("name", [PUMP, BOARD, HOST, "tools/part.py", "benchmarks/run.py"])
@pytest.mark.parametrize(
    ("longest", "too_long", "words"),
    [
        (function(40), function(41), "f() has 41 lines of code, at most 40"),
        ("x = 1\n" * 399, "x = 1\n" * 400, "the file has 401 lines, at most 400"),
    ],
    ids=["function", "file"],
)
def test_lengths_hold_at_their_bound(tmp_path, capsys, name, longest, too_long, words):
    assert write(tmp_path, name, longest + "x = 1") == 0
    assert write(tmp_path, name, too_long + "x = 1") == 1
    assert words in capsys.readouterr().out


def test_the_composition_root_stays_under_80_lines(tmp_path, capsys):
    assert write(tmp_path, "firmware/main.py", "\n".join(["x = 1"] * 79)) == 0
    assert write(tmp_path, "firmware/main.py", "\n".join(["x = 1"] * 80)) == 1
    assert "firmware/main.py:80: length: the file has 80 lines, at most 79" in capsys.readouterr().out


def test_a_tree_without_files_is_no_success(tmp_path, capsys):
    assert check_code.main([str(tmp_path)]) == 2
    assert "nothing was checked" in capsys.readouterr().out
