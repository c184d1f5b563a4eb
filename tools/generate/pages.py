"""A page of docs/ that is made from the code: written, or with --check compared.

Called by: the generators beside it.
"""

import sys
from pathlib import Path


def write_or_check(page: Path, new: str, arguments: list[str], tool: str) -> int:
    """Bring `page` up to date; the exit code. With --check: 1 when it is not, and nothing is written."""
    if page.exists() and page.read_text(encoding="utf-8") == new:
        return 0
    if "--check" in arguments:
        print(f"{page} is out of date: run `python tools/{tool}.py`", file=sys.stderr)
        return 1
    page.write_text(new, encoding="utf-8")
    return 0
