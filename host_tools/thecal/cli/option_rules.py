"""Which options go together and which do not, declared where the command is: none is ever silently ignored.

    @rules("calibrate", needs("--mass", "--volume"))
    @rules("session", apart("--therapy", "--dose", "--change"))

They are checked when the line has been read, before anything is asked, opened or written. What only agrees to
something (`--yes`, `--confirm-...`) or is for scripts may stand anywhere. The page of commands shows them.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., object])


class OptionRule(NamedTuple):
    """`option` goes with one of `others` only, or (`together` false) with none of them."""

    option: str
    others: tuple[str, ...]
    together: bool
    why: str

    def broken(self, given: Callable[[str], bool]) -> str:
        """What is wrong with a line; "": nothing. `given`: whether an option stands on it."""
        if not given(self.option):
            return ""
        beside = [other for other in self.others if given(other)]
        if self.together and not beside:
            return self.words()
        if not self.together and beside:
            return f"{self.option} and {beside[0]} exclude each other: {self.why}"
        return ""

    def words(self) -> str:
        """The rule for people."""
        others = " or ".join(self.others)
        return f"{self.option} goes {'' if self.together else 'not '}with {others}: {self.why}"


def needs(option: str, *others: str, why: str = "leave it out, or say both.") -> OptionRule:
    """`option` means something beside one of the others only."""
    return OptionRule(option, others, together=True, why=why)


def apart(option: str, *others: str, why: str = "choose one.") -> OptionRule:
    """`option` and any of the others exclude each other."""
    return OptionRule(option, others, together=False, why=why)


RULES: dict[str, tuple[OptionRule, ...]] = {}
# Of every command that has both.
EVERYWHERE = (apart("--reason", "--no-store", why="the store is where a reason is kept; leave out one."),)


def rules(path: str, *found: OptionRule) -> Callable[[F], F]:
    """Rules of a command by its path: "store import"."""

    def declare(function: F) -> F:
        RULES[path] = found
        return function

    return declare


def enforce(command: Any, path: str) -> None:
    """Make a command read its line by these rules, and take no option twice."""
    read = command.parse_args

    def parse_args(ctx: Any, args: list[str]) -> list[str]:
        _refuse_twice(command.make_parser(ctx).parse_args(args=list(args))[2], ctx)
        rest = read(ctx, args)
        for rule in (*RULES.get(path, ()), *EVERYWHERE):
            if wrong := rule.broken(lambda name: _given(ctx, name)):
                raise _Broken(wrong, ctx)
        return rest

    command.parse_args = parse_args


class _Broken(typer.TyperException):
    """Wrong usage: exit code 2."""

    exit_code = 2

    def __init__(self, message: str, ctx: Any) -> None:
        super().__init__(message)
        self.ctx = ctx


def _refuse_twice(order: list[Any], ctx: Any) -> None:
    single = [x for x in order if x.param_type_name == "option" and not x.multiple and not x.is_flag]
    for option in single:
        if single.count(option) > 1:
            name = max(option.opts, key=len)
            raise _Broken(f"{name} is said twice, and which one counts would be a guess: say it once.", ctx)


def _given(ctx: Any, name: str) -> bool:
    """Whether this option, or argument by what the help calls it, stands on the line (not in a variable)."""
    return any(
        name in (*parameter.opts, *parameter.secondary_opts, parameter.metavar)
        and getattr(ctx.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
        for parameter in ctx.command.params
    )


def sentences(path: str) -> Iterator[str]:
    """The rules of a command for its page."""
    for rule in RULES.get(path, ()):
        yield rule.words()
