"""Looking at an emulated pump without its noticing: the client's questions, answered by the bench.

A question over the serial line wakes the pump, and what is awake looks at its sensors a little earlier. Here
the bench calls the pump's own handlers, and nothing is different afterwards: not a step, not a record.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from thecal.emulator.testbench import Bench
from thecal.errors import SimulationError
from thecal.link.client import Client
from thecal.link.responses.pump import Hello, Reply
from thecal.link.session import OK, Session, refused
from thecal_protocol.codec import encoded, name_of
from thecal_protocol.messages import MESSAGES, answer_fields, request_fields


class Onlooker(Client):
    """A client that can only ask. `hello`: what the pump said when it was spoken to.

    Raises:
        SimulationError: a command would change something, or the pump died.
    """

    def __init__(self, bench: Callable[[], Bench], hello: Hello) -> None:
        self.button = None
        self._hello = hello
        self._session = _Peeking(bench)

    def hello(self) -> Hello:
        """Nobody is greeted."""
        return self._hello

    def close(self) -> None:
        """There is no port to give back."""


class _Peeking(Session):
    """A session that is none."""

    def __init__(self, bench: Callable[[], Bench]) -> None:
        self._bench = bench
        self.asked = 0

    def request(self, opcode: int, values: dict[str, object]) -> Reply:
        """One question."""
        self.asked += 1
        asked = {"do": "peek", "opcode": opcode, "payload": encoded(request_fields(opcode), values).hex()}
        answer = self._bench().request(json.dumps(asked).encode())
        if answer.get("ok") is not True:
            raise SimulationError(
                f"an onlooker cannot ask for {name_of(MESSAGES, opcode)}: {answer.get('error')}"
            )
        result, payload = answer["result"], bytes.fromhex(str(answer["payload"]))
        if result != OK:
            raise refused(opcode, int(str(result)), payload)
        return Reply.decoded(name_of(MESSAGES, opcode), answer_fields(opcode), payload)

    def hello(self) -> Hello:
        """SimulationError: who looks on says nothing."""
        raise SimulationError("an onlooker opens no session", "ask the pump over its line")
