"""What the quick commands import stays light: `thecal status` must not pay for pint and pydantic."""

import subprocess
import sys
from datetime import datetime

import pytest

from thecal import local_time
from thecal.errors import ThecalError

LIGHT = ["amounts", "errors", "local_time", "ranges", "therapy_wire", "windows"]
HEAVY = ["pint", "pydantic", "matplotlib", "numpy", "rich"]


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules(module: str):
    code = f"import sys, thecal.{module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_no_quantity_imports_no_pint():
    code = "import sys, thecal.quantities; print('pint' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_local_time_there_and_back():
    noon = datetime(2026, 1, 5, 12, 0, 0, 250)
    assert local_time.to_wire(noon) == (9501, 43_200, 250)
    assert local_time.from_wire(9501, 43_200, 250) == noon
    assert local_time.parse_start("2026-01-05T12:00:00.000250") == noon


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tomorrow", '"tomorrow" is not a date and time; write it like "2026-01-05T00:00"'),
        (
            "2026-01-05T00:00+01:00",
            '"2026-01-05T00:00+01:00" has a time zone; the pump has none; '
            'write local time: "2026-01-05T00:00"',
        ),
        (
            "1999-12-31",
            '"1999-12-31" is not a date the pump can hold; write one from 2000-01-01 to 2099-12-31',
        ),
    ],
)
def test_bad_start(text: str, message: str):
    with pytest.raises(ThecalError) as caught:
        local_time.parse_start(text)
    assert str(caught.value) == message
