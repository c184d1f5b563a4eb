"""The firmware fits the chip: bytes compiled, against docs/size-budget.json."""

import ast
import json
from pathlib import Path

import size
from thecal import chip_build

BUDGET = Path(__file__).resolve().parents[2] / "docs" / "size-budget.json"


def test_the_firmware_is_within_its_budget():
    table = chip_build.size_table()
    assert "thecal_main.mpy" in table
    assert "pump/pump.mpy" in table
    assert not any(name.startswith("board") for name in table)
    assert size.over_budget(table, json.loads(BUDGET.read_text())) == []


def test_what_is_over_is_named():
    budget = {"firmware_mpy_bytes": 100, "module_mpy_bytes": 60}
    assert size.over_budget({"a": 50, "b": 50}, budget) == []
    assert size.over_budget({"a": 50, "b": 51}, budget) == ["the firmware has 101 bytes, the budget is 100"]
    assert size.over_budget({"a": 30, "b": 61}, budget) == ["b has 61 bytes, the budget of one module is 60"]


def test_constants_are_made_only_of_what_never_changes():
    text = '"""Doc."""\n\nimport gc\n\n_A = 3\n_B = 4\nC = 5\n\n\ndef f(_B):\n    return _A + _B\n'
    made = chip_build._with_constants(text, ast.parse(text))
    assert "_A = _const(3)" in made
    assert "_B = 4" in made
    assert "C = 5" in made
    compile(made, "made", "exec")
