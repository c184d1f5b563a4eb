"""The public API says what each call takes, gives and raises; no docstring leans on another."""

import inspect
import re
from collections.abc import Callable, Iterator

import pytest

from thecal import Emulator, Pump, errors
from thecal.history.database import Store
from thecal.simulation.simulate import simulate
from thecal.therapy.check import check, check_files
from thecal.therapy.load import load_therapy, parse_therapy

OF_STORE = ("open", "add_pump", "add_session", "add_residual", "add_log", "last_record")
LEANS = re.compile(r"(?:^|[.:] )(?:It|Its|Who|The same)\b")


def calls() -> Iterator[tuple[str, Callable[..., object]]]:
    for call in (load_therapy, parse_therapy, check, check_files, simulate):
        yield call.__name__, call
    for name, call in inspect.getmembers(Pump, inspect.isfunction):
        if not name.startswith("_"):
            yield f"Pump.{name}", call
    for name in OF_STORE:
        yield f"Store.{name}", getattr(Store, name)
    yield "Emulator.start", Emulator.start


def classes() -> Iterator[type]:
    yield from (Pump, Emulator)
    for _, found in inspect.getmembers(errors, inspect.isclass):
        if issubclass(found, errors.ThecalError):
            yield found


@pytest.mark.parametrize(
    ("name", "call"), list(calls()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_it_takes_gives_and_raises(name: str, call: Callable[..., object]):
    text = inspect.getdoc(call) or ""
    signature = inspect.signature(call)
    named = [parameter for parameter in signature.parameters if parameter not in ("self", "cls")]
    args = text.partition("Args:\n")[2].split("\n\n")[0]
    for parameter in named:
        assert re.search(rf"^    {parameter}: ", args, re.MULTILINE), f"{name}: {parameter}"
    assert ("Returns:\n" in text) == (signature.return_annotation not in ("None", None)), name
    assert "Raises:\n" in text or call.__qualname__.startswith("Pump."), name
    assert not LEANS.search(text), name


@pytest.mark.parametrize("found", list(classes()), ids=lambda found: found.__name__)
def test_a_class_stands_alone(found: type):
    text = inspect.getdoc(found) or ""
    assert text
    assert not LEANS.search(text)


@pytest.mark.parametrize("found", [Pump, Emulator], ids=lambda found: found.__name__)
def test_a_class_names_what_its_making_takes(found: type):
    text = inspect.getdoc(found) or ""
    for parameter in list(inspect.signature(found).parameters):
        assert re.search(rf"^    {parameter}: ", text, re.MULTILINE), parameter
    assert "Raises:\n" in text
