"""Starting thecal does not pay for campaigns."""

import subprocess
import sys

import pytest

HEAVY = ["dask", "distributed", "pyarrow"]


@pytest.mark.parametrize(
    "module", ["cli.app", "cli.campaign", "campaigns.command", "campaigns.catalog", "campaigns.runner"]
)
def test_nothing_heavy_is_imported(module: str):
    code = f"import sys, thecal.{module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
