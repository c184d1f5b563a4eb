"""The program that a pump says it runs: whether anything can be reckoned by it."""

from typing import Any

from thecal.link.responses.pump import malformed


def check_program(program: dict[str, Any]) -> None:
    """ValueError: no pump runs such a therapy, and nothing can be reckoned by it."""
    for name in ("reservoir_pl", "step_volume_pl", "drugs"):
        if not program[name]:
            raise ValueError(f"a program whose {name.removesuffix('_pl').replace('_', ' ')} is nothing")


def plausible(program: dict[str, Any]) -> dict[str, Any]:
    """The program; LinkError, "malformed": no pump runs it."""
    try:
        check_program(program)
    except ValueError as error:
        raise malformed("program", str(error)) from None
    return program
