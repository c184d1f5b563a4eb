"""What commands import stays light: `thecal status` pays for no pydantic, `thecal check` for no numpy."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from thecal.errors import ThecalError
from thecal.firmware_build import compiled
from thecal.units import local_time

LIGHT = [
    "errors",
    "therapy.encode",
    "therapy.limits",
    "therapy.rolling_window",
    "units.amounts",
    "units.local_time",
    "units.quantities",
]
MORPHINE = str(Path(__file__).resolve().parents[3] / "examples" / "morphine-constant.toml")
HEAVY = ["pint", "pydantic", "matplotlib", "numpy", "rich"]


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules(module: str):
    code = f"import sys, thecal.{module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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


# What takes long to import, by who may do without it. Whoever measures the start of a command measures these.
NEVER = {
    *("pint", "numpy", "dask", "matplotlib", "sqlalchemy", "textual", "rich", "jinja2", "fpdf"),
    *("concurrent.futures", "asyncio"),
}
EVENTS = {
    "thecal.simulation.scenario.models",
    "thecal.emulator.injections",
    "cryptography.hazmat.primitives.serialization",
}
PUMPS = {"serial", "thecal.link.client", "thecal.link.session", "thecal.emulator.emulator"}
THERAPIES = {"pydantic", "thecal.therapy.models", "thecal.therapy.drug_library.model", "tomllib"}


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], NEVER | EVENTS | PUMPS | THERAPIES),
        (["check", MORPHINE], NEVER | EVENTS | PUMPS),
        (["simulate", MORPHINE, "--for", "1h"], NEVER | EVENTS),
    ],
    ids=["help", "check", "simulate"],
)
def test_commands_start_light(arguments: list[str], absent: set[str]):
    """And no command imports the module of another."""
    code = (
        "import sys; from thecal.cli import run; code = run(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    with compiled.firmware():  # so that nothing is left to compile
        pass
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert absent & loaded == set()
    commands = {name for name in loaded if name.startswith("thecal.cli.")}
    own = {f"thecal.cli.{name}" for name in ("app", "commands", "common", "declare", "keys", "option_rules")}
    assert commands - own <= {"thecal.cli.files"}
