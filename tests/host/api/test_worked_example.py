"""docs/reference/python-api.md: its example runs as it stands and prints what stands below it."""

import os
import re
import subprocess
import sys
from pathlib import Path

DEADLINE_S = 60


def test_the_example_on_the_page_prints_what_the_page_says(repo_root: Path, tmp_path: Path):
    page = (repo_root / "docs" / "reference" / "python-api.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (said,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    environment = {**os.environ, "THECAL_KEYS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=repo_root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == said


def test_every_member_is_on_the_page(repo_root: Path):
    from thecal import Pump

    page = (repo_root / "docs" / "reference" / "python-api.md").read_text(encoding="utf-8")
    table = page.split("## What there is")[1]
    for name in (name for name in vars(Pump) if not name.startswith("_")):
        if name not in ("abort", "close"):
            assert re.search(rf"`{name}\b", table), name
