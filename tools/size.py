#!/usr/bin/env python3
"""`make size`: bytes of the firmware compiled for the chip, against docs/size-budget.json.

    tools/size.py           the share of every module, the files, and an error when they are over the budget
    tools/size.py --json    the same as JSON

`firmware_mpy_bytes` counts every .mpy file on the chip, the board's code too. It goes up for a reason only;
`aim` is what is wanted. Free memory after boot needs an emulated chip: `make bench`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from thecal import chip_build

BUDGET = Path(__file__).resolve().parents[1] / "docs" / "size-budget.json"


def over_budget(table: dict[str, int], budget: dict[str, Any]) -> list[str]:
    """What is too big, in words."""
    total = sum(table.values())
    found: list[str] = []
    if total > budget["firmware_mpy_bytes"]:
        found.append(f"the firmware has {total} bytes, the budget is {budget['firmware_mpy_bytes']}")
    aim = budget["aim"]["firmware_mpy_bytes"]
    if budget["firmware_mpy_bytes"] > aim:
        found.append(f"the budget of {budget['firmware_mpy_bytes']} bytes is more than the aim, {aim}")
    return found


def main() -> int:
    """Print the table; 1 when something is over its budget."""
    table = chip_build.size_table()
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    if "--json" in sys.argv[1:]:
        print(json.dumps({"modules": table, "firmware_mpy_bytes": sum(table.values())}, indent=1))
    else:
        for each in (chip_build.shares(), table):
            for name, size in sorted(each.items(), key=lambda item: -item[1]):
                print(f"{size:7} {name}")
            print()
        print(f"{sum(table.values()):7} in all; the budget is {budget['firmware_mpy_bytes']}")
    found = over_budget(table, budget)
    for line in found:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
