"""`thecal log`: the pump's records as they are, and as they come."""

import json
import sys
import time

from thecal import log_text
from thecal.client import Client
from thecal.report_json import SCHEMA

_LOOK_EVERY_S = 0.5


def document(client: Client, first: int) -> dict[str, object]:
    """Every record that is kept from number `first` on."""
    return {"schema": SCHEMA, "events": [log_text.as_json(event) for event in client.events(first)]}


def run(client: Client, first: int, *, follow: bool, as_lines: bool) -> None:
    """Print records line by line; `follow`: until Ctrl-C. A gap is told on stderr."""
    expected = first
    try:
        while True:
            for event in client.events(expected):
                if expected and event.sequence > expected:
                    print(f"records {expected} to {event.sequence - 1} are no longer kept", file=sys.stderr)
                expected = event.sequence + 1
                print(json.dumps(log_text.as_json(event)) if as_lines else log_text.line(event))
            if not follow:
                return
            sys.stdout.flush()
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        return
