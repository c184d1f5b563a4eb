"""The layer check finds each forbidden import where it stands, and says nothing of a clean tree."""

from pathlib import Path

import pytest

import check_layers

CLEAN = {
    "firmware/main.py": (
        "import sys\nimport board\nfrom pump import loop\nfrom thecal_protocol import codec\n"
    ),
    "protocol/thecal_protocol/__init__.py": "",
    "protocol/thecal_protocol/codec.py": (
        "import struct\nfrom thecal_protocol.messages import TABLE\nfrom . import messages\n"
    ),
    "protocol/thecal_protocol/messages.py": "TABLE = ()\n",
    "firmware/pump/__init__.py": "",
    "firmware/pump/units.py": "US_PER_S = 1000000\n",
    "firmware/pump/loop.py": (
        "import gc\nfrom pump.dosing import planner\nfrom thecal_protocol import codec\n"
    ),
    "firmware/pump/dosing/planner.py": "import array\nfrom pump import units\nimport pump.therapy.drugs\n"
    "from thecal_protocol import events as event\nfrom thecal_protocol.alarms import STORAGE\n",
    "firmware/pump/therapy/drugs.py": "from pump.units import US_PER_S\nfrom ..dosing import planner\n",
    "firmware/pump/safety/guard.py": "from micropython import const\nimport pump.records.ledger\n",
    "boards/unix/board.py": "import os, select, time\nimport simulated_motor\nif simulated:\n    pass\n",
    "boards/rp2040/board.py": "import machine, rp2, time\n",
    "host_tools/thecal/link/client.py": (
        "import time\nimport thecal_protocol.codec\nfrom thecal import errors\n"
    ),
    "host_tools/thecal/simulation/simulate.py": "import json\nif emulator:\n    pass\n",
    "host_tools/thecal/cli.py": "if report['simulated_s'] > 0 or simulated_s:\n    pass\n",
}

FORBIDDEN = [
    # file, line added at its end, rule, words of the message
    (
        "protocol/thecal_protocol/codec.py",
        "import pump.units",
        "layer",
        "thecal_protocol must not import pump.units",
    ),
    ("protocol/thecal_protocol/codec.py", "from thecal import client", "layer", "thecal.client"),
    (
        "protocol/thecal_protocol/codec.py",
        "def f():\n    import time",
        "layer",
        "only boards/ may import time",
    ),
    ("protocol/thecal_protocol/codec.py", "from .. import pump", "layer", "pump"),
    ("firmware/pump/units.py", "import pump.dosing.planner", "layer", "nothing of ours"),
    ("firmware/pump/dosing/planner.py", "from pump import safety", "layer", "pump.safety"),
    ("firmware/pump/dosing/planner.py", "from pump import *", "layer", "pump.*"),
    ("firmware/pump/dosing/planner.py", "import pump", "layer", "pump"),
    ("firmware/pump/dosing/planner.py", "from .. import records", "layer", "pump.records"),
    (
        "firmware/pump/dosing/planner.py",
        "from pump.units_of_others import X",
        "layer",
        "pump.units_of_others",
    ),
    ("firmware/pump/dosing/planner.py", "import thecal_protocol", "layer", "thecal_protocol"),
    (
        "firmware/pump/therapy/drugs.py",
        "from thecal_protocol.therapy import THERAPY",
        "layer",
        "thecal_protocol.therapy",
    ),
    (
        "firmware/pump/therapy/drugs.py",
        "try:\n    import utime\nexcept ImportError:\n    utime = None",
        "layer",
        "utime",
    ),
    ("firmware/pump/safety/guard.py", "import board", "layer", "pump must not import board"),
    ("firmware/pump/safety/guard.py", "import machine", "layer", "machine"),
    ("firmware/pump/safety/guard.py", "from rp2 import PIO", "layer", "rp2"),
    ("firmware/pump/loop.py", "import select", "layer", "select"),
    ("firmware/pump/loop.py", "import os as files", "layer", "os"),
    ("firmware/pump/loop.py", "__import__('time')", "layer", "time"),
    ("firmware/pump/loop.py", "__import__(name)", "library", "a computed name"),
    ("firmware/pump/loop.py", "from typing import Any", "library", "typing.Any"),
    ("firmware/pump/loop.py", "import asyncio", "layer", "asyncio"),
    ("firmware/pump/loop.py", "import math", "library", "math"),
    ("firmware/main.py", "import time", "layer", "time"),
    ("firmware/main.py", "import thecal", "layer", "thecal"),
    ("boards/unix/board.py", "from thecal import simulate", "layer", "thecal.simulate"),
    (
        "host_tools/thecal/link/client.py",
        "from pump import units",
        "layer",
        "host must not import pump.units",
    ),
    ("host_tools/thecal/link/client.py", "import board", "layer", "board"),
    (
        "host_tools/thecal/link/client.py",
        "import importlib\nimportlib.import_module('pump')",
        "layer",
        "pump",
    ),
    ("host_tools/thecal/link/client.py", "if self.is_simulator:\n    pass", "simulator", "is_simulator"),
    ("host_tools/thecal/link/client.py", "fast = model == 'thecal-unix'", "simulator", "thecal-unix"),
    ("firmware/pump/loop.py", "if board.simulated:\n    pass", "simulator", "simulated"),
    ("firmware/pump/loop.py", "wait = 0 if EMULATOR else 1", "simulator", "EMULATOR"),
    ("firmware/pump/loop.py", "on_bench = not stopped and in_simulation", "simulator", "in_simulation"),
    ("firmware/pump/loop.py", "while board.model != 'thecal-unix':\n    pass", "simulator", "thecal-unix"),
    ("firmware/pump/loop.py", "match simulator:\n    case 1:\n        pass", "simulator", "simulator"),
    ("firmware/stray.py", "import pump", "layer", "belongs to no layer"),
    ("firmware/pump/loop.py", "def broken(:", "syntax", ""),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project that breaks no rule."""
    for name, text in CLEAN.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def append(tree: Path, name: str, text: str) -> int:
    """Add lines to a file; the number of the first."""
    file = tree / name
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}{text}\n")
    return before.count("\n") + 1


def test_a_clean_tree_passes(tree, capsys):
    assert check_layers.main([str(tree)]) == 0
    assert capsys.readouterr().out == f"layers: 0 findings in {len(CLEAN)} files\n"


@pytest.mark.parametrize(
    ("name", "text", "rule", "words"), FORBIDDEN, ids=[f"{n}: {t}" for n, t, _, _ in FORBIDDEN]
)
def test_each_forbidden_thing_is_found(tree, capsys, name, text, rule, words):
    line = append(tree, name, text)
    assert check_layers.main([str(tree)]) == 1
    first, *_, closing = capsys.readouterr().out.splitlines()
    path, at, found_rule, message = first.split(":", 3)
    assert (path, found_rule.strip()) == (name, rule)
    assert line <= int(at) <= line + text.count("\n")
    assert words in message
    assert closing.startswith("layers: 1 finding")


def test_an_exception_needs_its_rule_and_a_reason(tree, capsys):
    append(tree, "firmware/pump/loop.py", "import time  # allow: layer - measured here once, at boot only")
    assert check_layers.main([str(tree)]) == 0
    append(tree, "firmware/pump/loop.py", "import select  # allow: layer")
    append(tree, "firmware/pump/loop.py", "import os  # allow: library - a reason, for another rule")
    append(tree, "firmware/pump/loop.py", "import gc  # allow: layer - there is nothing to allow here")
    assert check_layers.main([str(tree)]) == 1
    out = capsys.readouterr().out
    assert "loop.py:5: allow: an exception needs a reason" in out
    assert "loop.py:6: layer: only boards/ may import os" in out
    assert "loop.py:7: allow: nothing here breaks the rule layer" in out


def test_a_tree_without_files_is_no_success(tmp_path, capsys):
    assert check_layers.main([str(tmp_path)]) == 2
    assert "nothing was checked" in capsys.readouterr().out
