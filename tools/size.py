#!/usr/bin/env python3
"""`make size`: bytes of every module of the firmware, compiled for the chip, against docs/size-budget.json.

    tools/size.py           the table, and an error when it is over the budget
    tools/size.py --json    the same as JSON

Free memory after boot is not in it yet: that needs the emulated chip and a MicroPython image.
"""

import json
import sys
from pathlib import Path

from thecal import chip_build

BUDGET = Path(__file__).resolve().parents[1] / "docs" / "size-budget.json"


def over_budget(table: dict[str, int], budget: dict[str, int]) -> list[str]:
    """What is too big, in words."""
    total = sum(table.values())
    most = max(table.values())
    found: list[str] = []
    if total > budget["firmware_mpy_bytes"]:
        found.append(f"the firmware has {total} bytes, the budget is {budget['firmware_mpy_bytes']}")
    if most > budget["module_mpy_bytes"]:
        name = max(table, key=lambda name: table[name])
        found.append(f"{name} has {most} bytes, the budget of one module is {budget['module_mpy_bytes']}")
    return found


def main() -> int:
    """Print the table; 1 when something is over its budget."""
    table = chip_build.size_table()
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    if "--json" in sys.argv[1:]:
        print(json.dumps({"modules": table, "firmware_mpy_bytes": sum(table.values())}, indent=1))
    else:
        for name, size in sorted(table.items(), key=lambda item: -item[1]):
            print(f"{size:7} {name}")
        print(f"{sum(table.values()):7} in all; the budget is {budget['firmware_mpy_bytes']}")
    found = over_budget(table, budget)
    for line in found:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
