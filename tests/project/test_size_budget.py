"""The firmware fits the chip: bytes compiled, against docs/size-budget.json."""

import json
from pathlib import Path

import pytest

import size
from thecal.firmware_build import chip

BUDGET = Path(__file__).resolve().parents[2] / "docs" / "size-budget.json"


@pytest.fixture(scope="module")
def table() -> dict[str, int]:
    return chip.size_table()


def test_the_firmware_is_within_its_budget(table: dict[str, int]):
    assert set(table) == {"thecal.mpy", "thecal_rare.mpy", "thecal_once.mpy", "thecal_main.mpy", "pins.mpy"}
    assert table["thecal.mpy"] > 50_000  # all of it is in there
    assert size.over_budget(table, json.loads(BUDGET.read_text())) == []


def test_what_is_over_is_named():
    small = {"resident_mpy_bytes": 100, "firmware_mpy_bytes": 120}
    budget = {**small, "aim": dict(small)}
    assert size.over_budget({"a": 50, "b": 50, "thecal_rare.mpy": 20}, budget) == []
    assert size.over_budget({"a": 50, "b": 51}, budget) == [
        "what stays in memory has 101 bytes, the budget is 100"
    ]
    assert size.over_budget({"a": 50, "thecal_rare.mpy": 71}, budget) == [
        "the firmware has 121 bytes, the budget is 120"
    ]
    budget["aim"] = {"resident_mpy_bytes": 90, "firmware_mpy_bytes": 120}
    assert size.over_budget({"a": 50}, budget) == ["the budget of 100 bytes is more than the aim, 90"]


def test_the_longest_function_is_within_its_budget():
    lines, where = size.longest_function()
    assert lines > 20
    assert "(" in where
    assert size.beyond({"longest_function_lines": lines}, json.loads(BUDGET.read_text())) == []


def test_what_is_beyond_is_named():
    budget = {
        "longest_function_lines": 40, "boot_s": 5, "status_ms": 18,
        "heap_free_after_boot": 80_000, "heap_free_at_peak": 60_000,
    }  # fmt: skip
    good = {
        "longest_function_lines": 40,
        "boot_s": 5.0,
        "status_ms": 18,
        "heap_free_after_boot": 80_000,
        "heap_free_at_peak": 60_000,
    }
    assert size.beyond(good, budget) == []
    assert size.beyond({**good, "boot_s": 5.5}, budget) == ["boot_s is 5.5, the budget is 5"]
    assert size.beyond({**good, "heap_free_at_peak": 59_999}, budget) == [
        "heap_free_at_peak is 59999, at least 60000 are wanted"
    ]


@pytest.mark.timeout(300)
def test_every_module_has_its_share(table: dict[str, int]):
    shares = chip.shares()
    assert {"pump.pump", "pump.dosing.delivery", "thecal_protocol.messages", "pio_motor"} <= set(shares)
    assert sum(shares.values()) > table["thecal.mpy"]
