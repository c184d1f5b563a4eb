"""Arguments of the Python API: a wrong one is a ThecalError that names it, before a pump is asked anything.

Looked at are parameters of these annotations; amounts are read, and refused, by `thecal.units.quantities`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from thecal.errors import WrongArgument

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
Right = tuple[str, Callable[[Any], bool]]  # what is right, in words, and whether a value is
Rights = dict[str, Right]  # by annotation

AMOUNTS = frozenset(("dose", "over", "volume", "residual", "measured", "lasting", "offset"))
CLOCKS = ("virtual", "free", "real", "scaled")  # of an emulator
_FAR = 1 << 62
_HAS_NAMES_OF_ITS_OWN = 8  # of a code's flags: it takes **values
_LAST = 0xFFFFFFFF  # on the wire numbers of records have 32 bits


def checked(cls: C) -> C:
    """Every public method of the class, and its making, with its arguments looked at."""
    return _with_checks(cls, _RIGHT)


def checked_wide(cls: C) -> C:
    """The same where numbers are microseconds, picolitres, pascal: they may be large, or negative."""
    return _with_checks(cls, _RIGHT | {"int": _WIDE, "int | None": _or_none(_WIDE)})


def checked_call(function: F) -> F:
    """A function with its arguments looked at."""
    call: Any = _checked(cast("FunctionType", function), _RIGHT)
    return call


def _with_checks(cls: C, rights: Rights) -> C:
    for name, method in list(vars(cls).items()):
        if name == "__init__" or not name.startswith("_"):
            if isinstance(method, FunctionType):
                setattr(cls, name, _checked(method, rights))
            elif isinstance(method, classmethod):
                function: Any = cast("Any", method).__func__
                setattr(cls, name, classmethod(_checked(function, rights)))
    return cls


def path_of(value: Any, name: str) -> Path:
    """A path. WrongArgument: it is none."""
    if not _is_path(value):
        raise _wrong(name, value, "the path of a file")
    return Path(value)


def need_texts(values: Mapping[str, object]) -> None:
    """WrongArgument: a text among them has no letters that could be written."""
    for name, value in values.items():
        if isinstance(value, str) and not _is_text(value):
            raise _wrong(name, value, "a text")


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


def _or_none(right: Right) -> Right:
    words, is_right = right
    return words, lambda value: value is None or is_right(value)


_WIDE: Right = (
    "a whole number of at most 62 bits",
    lambda value: type(value) is int and -_FAR < value < _FAR,
)
_RIGHT: Rights = {
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
    "Mapping[str, Any]": ("a mapping", lambda value: isinstance(value, Mapping)),
    "Mapping[str, object]": ("a mapping", lambda value: isinstance(value, Mapping)),
    "Iterable[Row]": ("records", lambda value: isinstance(value, Iterable) and not isinstance(value, str)),
    "bytes": ("bytes", lambda value: isinstance(value, bytes)),
    "float": ("a number of seconds", lambda value: type(value) in (int, float) and 0 <= value <= _LAST),
    "Plan": ("a thecal.simulation.simulate.Plan", lambda value: type(value).__name__ == "Plan"),
    "PumpReset": ("what the bench raised", lambda value: type(value).__name__ == "PumpReset"),
    "ClockKind": (f"one of {', '.join(CLOCKS)}", lambda value: value in CLOCKS),
    "Client | None": (
        "a thecal.link.client.Client",
        lambda value: value is None or callable(getattr(value, "hello", None)),
    ),
    "Button | None": ("a function of one text", lambda value: value is None or callable(value)),
}


def _checked(method: FunctionType, rights: Rights) -> Callable[..., Any]:
    inner: Any = method
    while hasattr(inner, "__wrapped__"):  # of a context manager
        inner = inner.__wrapped__
    code, hints = inner.__code__, method.__annotations__
    places = code.co_varnames[: code.co_argcount]
    positional = code.co_posonlyargcount  # by name these are somebody's own names
    known = {*places, *code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]}
    needed = {*places[: len(places) - len(inner.__defaults__ or ())]}
    needed |= known - {*places} - {*(inner.__kwdefaults__ or ())}
    kinds = {name: rights[text] for name in known if (text := _text_of(hints.get(name))) in rights}
    own_names = code.co_flags & _HAS_NAMES_OF_ITS_OWN

    @functools.wraps(method)
    def call(*given: Any, **named: Any) -> Any:
        values = dict(zip(places, given, strict=False))
        if len(given) > len(places) or named.keys() & {*places[positional : len(given)]}:
            raise _unfitting(method, given, named)
        by_name = known - {*places[:positional]}
        values.update({name: value for name, value in named.items() if name in by_name})
        if not needed <= values.keys() or not (own_names or named.keys() <= by_name):
            raise _unfitting(method, given, named)
        for name, value in values.items():
            right = kinds.get(name)
            if right is not None and name not in AMOUNTS and not right[1](value):
                raise _wrong(name, value, right[0])
        return method(*given, **named)

    return call


def _text_of(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.replace("pathlib.", "")


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
