"""`thecal status`: one look at a pump. Kept apart from typer, which takes longer to start than the pump to
answer: `cli.run` comes here straight for the plain forms of the command (see `quick`).
"""

import json
import os
import sys
from collections.abc import Sequence

from thecal._io.wrapped import say


def quick(arguments: Sequence[str]) -> bool:
    """Carry out `status [--port PORT] [--json]`; False when this is anything else, or no port is known."""
    if not arguments or arguments[0] != "status":
        return False
    port, as_json, rest = os.environ.get("THECAL_PORT", ""), False, list(arguments[1:])
    if sum(argument.startswith("--port") for argument in rest) > 1:
        return False
    while rest:
        argument = rest.pop(0)
        if argument == "--json":
            as_json = True
        elif argument == "--port" and rest and not rest[0].startswith("-"):
            port = rest.pop(0)
        elif argument.startswith("--port="):
            port = argument.removeprefix("--port=")
        else:
            return False
    if not port:
        return False
    run(port, as_json)
    return True


def json_text(document: object) -> str:
    """One line; escaped where the output does not take every letter, so that it stays JSON."""
    encoding = (getattr(sys.stdout, "encoding", "") or "").replace("-", "").lower()
    return json.dumps(document, ensure_ascii=encoding != "utf8")


def run(port: str, as_json: bool) -> None:
    """Ask and print."""
    from thecal.pump import Pump

    with Pump(port) as pump:
        snapshot = pump.status()
    if as_json:
        print(json_text(snapshot.as_json()))
        return
    for name, text in snapshot.rows():
        say(f"{name:<12}  {text}")
