"""Arguments of the Python API: a wrong one is a ThecalError that names it, before a pump is asked anything.

Looked at are parameters of these annotations; amounts are read, and refused, by `thecal.units.quantities`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from thecal.errors import WrongArgument

C = TypeVar("C", bound=type)

AMOUNTS = frozenset(("dose", "over", "volume", "residual", "measured", "lasting", "offset"))
CLOCKS = ("virtual", "free", "real", "scaled")  # of an emulator
_LAST = 0xFFFFFFFF  # on the wire numbers of records have 32 bits


def checked(cls: C) -> C:
    """Every public method of the class, and its making, with its arguments looked at."""
    for name, method in list(vars(cls).items()):
        if isinstance(method, FunctionType) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, _checked(method))
    return cls


def path_of(value: Any, name: str) -> Path:
    """A path. WrongArgument: it is none."""
    if not _is_path(value):
        raise _wrong(name, value, "the path of a file")
    return Path(value)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _is_path(value: Any) -> bool:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return isinstance(value, str) and _is_text(value)


# annotation -> (what is right, in words, and whether a value is)
_RIGHT: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", lambda value: isinstance(value, str) and _is_text(value)),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": (
        "a whole number from 0 to 4294967295",
        lambda value: type(value) is int and 0 <= value <= _LAST,
    ),
    "date | None": (
        "a datetime.date",
        lambda value: value is None or (isinstance(value, date) and not isinstance(value, datetime)),
    ),
    "datetime | None": (
        "a datetime.datetime without a time zone",
        lambda value: value is None or (isinstance(value, datetime) and value.tzinfo is None),
    ),
    "str | os.PathLike[str]": ("a text", lambda value: _is_path(value)),
    "int | None": ("a whole number", lambda value: value is None or type(value) is int),
    "Path | None": (
        "a path",
        lambda value: value is None or _is_path(value),
    ),
    "Mapping[str, int | str] | None": (
        "a mapping of names to numbers or texts",
        lambda value: value is None or isinstance(value, Mapping),
    ),
    "ClockKind": (f"one of {', '.join(CLOCKS)}", lambda value: value in CLOCKS),
    "Client | None": (
        "a thecal.link.client.Client",
        lambda value: value is None or callable(getattr(value, "hello", None)),
    ),
    "Button | None": ("a function of one text", lambda value: value is None or callable(value)),
}


def _checked(method: FunctionType) -> Callable[..., Any]:
    code, hints = method.__code__, method.__annotations__
    places = code.co_varnames[: code.co_argcount]
    known = {*places, *code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]}
    needed = {*places[: len(places) - len(method.__defaults__ or ())]}
    needed |= known - {*places} - {*(method.__kwdefaults__ or ())}

    @functools.wraps(method)
    def call(*given: Any, **named: Any) -> Any:
        values = dict(zip(places, given, strict=False))
        if len(given) > len(places) or named.keys() & values.keys():
            raise _unfitting(method, given, named)
        values.update(named)
        if not (needed <= values.keys() <= known):
            raise _unfitting(method, given, named)
        for name, value in values.items():
            right = _RIGHT.get(hints.get(name, ""))
            if right is not None and name not in AMOUNTS and not right[1](value):
                raise _wrong(name, value, right[0])
        return method(*given, **named)

    return call


def _unfitting(method: FunctionType, given: tuple[Any, ...], named: dict[str, Any]) -> WrongArgument:
    import inspect  # a tenth of a start, for words that few need

    try:
        inspect.signature(method).bind(*given, **named)
        why = "these arguments do not fit"
    except TypeError as error:
        why = str(error)
    return WrongArgument(f"{method.__name__}: {why}", "see docs/reference/python-api.md")


def _wrong(name: str, value: object, right: str) -> WrongArgument:
    shown = repr(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return WrongArgument(f"{name} is {shown}", f"it is {right}")
