"""What is wrong with a command line, for a person: typer says it, or this says it better."""

import re
from collections.abc import Sequence
from itertools import pairwise

from thecal.cli.commands import SECTIONS
from thecal.units.registry import known

_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+")
_EXTRA = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)")
_BETTER = (
    (re.compile(r"^Invalid value for '?(-[\w-]+)'?(?: \(env var: '\w+'\))?: "), r"\1: "),
    (re.compile(r"^Invalid value: "), ""),
    (re.compile(r"\S+ is not in the range (\d+\.\d+)<=x<=(\d+\.\d+)"), r"write a number from \1 to \2"),
    (re.compile(r"\S+ is not in the range x>=(\d+)"), r"write a whole number, \1 or more"),
    (re.compile(r"\S+ is not in the range x<=(\d+)"), r"write a whole number, \1 or less"),
    (re.compile(r"\S+ is not in the range (\d+)<=x<=(\d+)"), r"write a whole number from \1 to \2"),
    (re.compile(r"""['"].*['"] is not a valid int(?:eger)?(?: range)?"""), "write a whole number"),
    (re.compile(r"""['"].*['"] is not a valid float(?: range)?"""), "write a number"),
)
_NO_OPTION = "No such option: -"


def words(message: str, arguments: Sequence[str]) -> str:
    """The message of a wrong line, one sentence or two."""
    extra = _EXTRA.fullmatch(message)
    if (extra or message.startswith(_NO_OPTION)) and (said := _unquoted(arguments)):
        return said
    if extra:
        return (
            f'"{extra[1]}" belongs to nothing here: name the option that it is for, quote what is one value, '
            "or leave it out."
        )
    if message.startswith(_NO_OPTION) and (before := _before_its_command(arguments)):
        return before
    if message.startswith(_NO_OPTION) and (long := _one_dash(arguments)):
        return f"options have two dashes: -{long}."
    for pattern, better in _BETTER:
        message = pattern.sub(better, message)
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


def _before_its_command(arguments: Sequence[str]) -> str:
    """An option that stands before the command; "": none does."""
    first = arguments[0]
    names = [name for section in SECTIONS.values() for name in section]
    command = next((one for one in arguments[1:] if one in names), "")
    if not first.startswith("-") or not command:
        return ""
    return f"options stand after the command: thecal {command} {first.partition('=')[0]} ..."


def _one_dash(arguments: Sequence[str]) -> str:
    """A long option behind a single dash; "": there is none."""
    return next((text for text in arguments if re.fullmatch(r"-[a-z][a-z0-9-]+(=.*)?", text)), "")


def _is_unit(text: str) -> bool:
    return text == "%" or all(known(part) for part in text.split("/"))
