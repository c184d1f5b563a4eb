"""What is wrong with a command line, for a person: typer says it, or this says it better."""

import re
from collections.abc import Sequence
from itertools import pairwise

from thecal.units.registry import known

_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+")
_EXTRA = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)")
_NO_OPTION = "No such option: -"


def words(message: str, arguments: Sequence[str]) -> str:
    """The message of a wrong line, one sentence or two."""
    extra = _EXTRA.fullmatch(message)
    if (extra or message.startswith(_NO_OPTION)) and (said := _unquoted(arguments)):
        return said
    if extra:
        return f'"{extra[1]}" belongs to nothing here: leave it out, or quote what is one value.'
    message = message.replace(": Value error, ", ": ")
    return message if message.endswith((".", "?")) else f"{message}."


def _unquoted(arguments: Sequence[str]) -> str:
    """An amount whose unit the shell has parted from it; "": there is none."""
    for index, (number, unit) in enumerate(pairwise(arguments)):
        option, equals, value = number.partition("=") if number.startswith("--") else ("", "", number)
        if not equals and index and arguments[index - 1].startswith("--"):
            option = arguments[index - 1]
        if _NUMBER.fullmatch(value) and _is_unit(unit):
            amount = f"{option} " if option else ""
            return f'an amount and its unit are one value: quote them, {amount}"{value} {unit}".'
    return ""


def _is_unit(text: str) -> bool:
    return text == "%" or all(known(part) for part in text.split("/"))
