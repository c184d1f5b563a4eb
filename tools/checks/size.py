#!/usr/bin/env python3
"""`make size`: bytes of the firmware compiled for the chip, against docs/size-budget.json.

tools/checks/size.py the share of every module, the files, and an error when they are over the budget
tools/checks/size.py --json the same as JSON

`resident_mpy_bytes` counts what stays in memory once loaded, the board's code too; `firmware_mpy_bytes` also
what is read from flash when a rare command needs it, or forgotten after the start. They go up for a reason
only; `aim` is what is wanted. The longest function is told in lines of code. Time to boot and memory are
measured on the emulated chip, where there is a MicroPython image.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import check_code
from thecal.firmware_build import chip as chip_build

ROOT = Path(__file__).resolve().parents[2]
BUDGET = ROOT / "docs" / "size-budget.json"
_MOST = ("longest_function_lines", "boot_s", "status_ms")
_LEAST = ("heap_free_after_boot", "heap_free_at_peak")


def resident(table: dict[str, int]) -> int:
    """Bytes of what stays in memory: all but what is loaded on demand, or forgotten after the start."""
    return sum(size for name, size in table.items() if name not in chip_build.ON_DEMAND)


def over_budget(table: dict[str, int], budget: dict[str, Any]) -> list[str]:
    """What is too big, in words."""
    found: list[str] = []
    for name, what, total in (
        ("resident_mpy_bytes", "what stays in memory", resident(table)),
        ("firmware_mpy_bytes", "the firmware", sum(table.values())),
    ):
        if total > budget[name]:
            found.append(f"{what} has {total} bytes, the budget is {budget[name]}")
        aim = budget["aim"][name]
        if budget[name] > aim:
            found.append(f"the budget of {budget[name]} bytes is more than the aim, {aim}")
    return found


def beyond(figures: dict[str, float], budget: dict[str, Any]) -> list[str]:
    """Which of these figures are not within the budget, in words."""
    found = [f"{name} is {figures[name]:g}, the budget is {budget[name]}" for name in _MOST
             if figures.get(name, 0) > budget[name]]  # fmt: skip
    for name in _LEAST:
        if name in figures and figures[name] < budget[name]:
            found.append(f"{name} is {figures[name]:g}, at least {budget[name]} are wanted")
    return found


def longest_function() -> tuple[int, str]:
    """Of all that runs on the chip: its lines of code, and where it is."""
    found: list[tuple[int, str]] = []
    for name, file in chip_build.sources().items():
        text = file.read_text(encoding="utf-8")
        for node, lines in check_code.functions(ast.parse(text), text.splitlines()):
            found.append((lines, f"{name}: {node.name}()"))
    return max(found)


def on_the_chip() -> dict[str, float]:
    """Time to boot and memory; nothing without an image."""
    sys.path.insert(0, str(ROOT / "tests"))
    from boards.rp2040 import budget, chip

    image = chip.find_image()
    return budget.figures(image) if image else {}


def main() -> int:
    """Print the table; 1 when something is over its budget."""
    table = chip_build.size_table()
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    lines, where = longest_function()
    figures = {"longest_function_lines": lines, **on_the_chip()}
    if "--json" in sys.argv[1:]:
        sizes = {"resident_mpy_bytes": resident(table), "firmware_mpy_bytes": sum(table.values())}
        print(json.dumps({"modules": table, **sizes, **figures}, indent=1))
    else:
        for each in (chip_build.shares(), table):
            for name, size in sorted(each.items(), key=lambda item: -item[1]):
                print(f"{size:7} {name}")
            print()
        print(f"{resident(table):7} stay in memory; the budget is {budget['resident_mpy_bytes']}")
        print(f"{sum(table.values()):7} in all; the budget is {budget['firmware_mpy_bytes']}")
        print(f"{lines:7} lines of code in the longest function, {where}; the budget is {budget[_MOST[0]]}")
        for name, value in list(figures.items())[1:]:
            print(f"{value:7g} {name}; the budget is {budget[name]}")
        if len(figures) == 1:
            print("No MicroPython image (THECAL_MICROPYTHON_UF2): time to boot and memory were not measured.")
    found = over_budget(table, budget) + beyond(figures, budget)
    for line in found:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
