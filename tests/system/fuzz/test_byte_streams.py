"""Whatever comes over the line: dosing goes on to the step, memory stays flat, the pump answers.

Streams of random bytes, mutated and truncated frames, frames longer than any, frames with a good checksum and
random contents (from other sessions and from the current one) go to a real emulated pump, while virtual time
passes. Nothing sent is a command that the pump would carry out.

A tenth of the 100,000 streams run by default; THECAL_SOAK=1 runs them all, and again with other seeds.
"""

import os
import random
import select
from collections.abc import Iterator

import pytest

from firmware.dosing import rig
from system.fuzz.lossy_line import LossyLine
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal_protocol import framing
from thecal_protocol.codec import encoded
from thecal_protocol.messages import (
    HELLO,
    MESSAGES,
    PROPOSAL_PROGRAM,
    PROPOSE,
    proposal_fields,
    request_fields,
)

SOAK = bool(os.environ.get("THECAL_SOAK"))
STREAMS = 100_000 if SOAK else 10_000
SEEDS = range(1, 4) if SOAK else range(1, 2)
BURST_BYTES = 1500  # less than a pty holds
SLACK_BYTES = 1024  # of heap that is in use for good: what the last request happened to leave behind


def frame(session: int, seq: int, opcode: int, payload: bytes) -> bytes:
    """A request with a good checksum."""
    buffer = bytearray(framing.FRAME_SIZE)
    end = framing.REQUEST_AT + len(payload)
    buffer[framing.REQUEST_AT : end] = payload
    return bytes(buffer[: framing.seal_request(buffer, end, session, seq, opcode)])


class Streams:
    """An endless supply of things that are no command."""

    def __init__(self, seed: int, session: int) -> None:
        self._random = random.Random(seed)
        self._session = session
        self._seq = 1000  # the client that opened the session has used fewer
        self._program = bytes(encoded(proposal_fields(PROPOSAL_PROGRAM), rig.therapy()))
        self._makers = (
            self._noise,
            self._mutated,
            self._truncated,
            self._oversize,
            self._stranger,
            self._nonsense,
            self._proposal,
            self._zeros,
        )

    def next(self) -> bytes:
        return self._random.choice(self._makers)()

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, 80))

    def _mutated(self) -> bytes:
        """A frame with a byte changed: its checksum is wrong (CRC-32 finds every burst of up to 32 bits)."""
        spoiled = bytearray(self._nonsense())
        at = self._random.randrange(len(spoiled) - 1)
        spoiled[at] ^= self._random.randint(1, 255)
        return bytes(spoiled)

    def _truncated(self) -> bytes:
        whole = self._nonsense()
        return whole[: self._random.randrange(len(whole) - 4)] + self._random.choice((b"", b"\0"))

    def _oversize(self) -> bytes:
        return bytes(self._random.randint(1, 255) for _ in range(300)) + b"\0"

    def _zeros(self) -> bytes:
        return bytes(self._random.randint(1, 9))

    def _stranger(self) -> bytes:
        """A good frame of another session."""
        session = (self._session + self._random.randint(0x1000, 0xE000)) % 0x10000
        return b"\0" + frame(session, self._random.randrange(0x10000), self._opcode(), self._payload())

    def _nonsense(self) -> bytes:
        """A good frame of this session whose payload is random, and never that of a request without one."""
        opcode = self._opcode()
        self._seq = self._seq % 0xFFFE + 1
        return b"\0" + frame(self._session, self._seq, opcode, self._payload())

    def _proposal(self) -> bytes:
        """A program, spoiled here and there, which is understood or refused but never committed."""
        blob = bytearray(self._program)
        for _ in range(self._random.randint(0, 3)):
            blob[self._random.randrange(len(blob))] = self._random.choice(
                (0, 1, 255, self._random.randrange(256))
            )
        fields = {"kind": PROPOSAL_PROGRAM, "total": len(blob), "offset": 0, "data": bytes(blob)}
        self._seq = self._seq % 0xFFFE + 1
        return b"\0" + frame(
            self._session, self._seq, PROPOSE, bytes(encoded(request_fields(PROPOSE), fields))
        )

    def _opcode(self) -> int:
        if self._random.random() < 0.8:
            return self._random.choice([number for number, *_ in MESSAGES if number != HELLO])
        return self._random.randint(0, 255)

    def _payload(self) -> bytes:
        return self._random.randbytes(self._random.choice((1, 2, 3, 17, 18, 19, 60, 235)))


@pytest.fixture
def pump() -> Iterator[Emulator]:
    with Emulator(seed=3) as emulator:
        yield emulator


def drain(port: int) -> int:
    """Take the answers, so that the pump is not held up by a full line; how many bytes."""
    taken = 0
    while select.select([port], [], [], 0)[0]:
        taken += len(os.read(port, 65536))
    return taken


@pytest.mark.req("SEC-08", part="100 000 streams with THECAL_SOAK=1, a tenth of them by default")
@pytest.mark.timeout(3600 if SOAK else 120)
@pytest.mark.parametrize("seed", SEEDS)
def test_streams_do_not_disturb_dosing(pump: Emulator, seed: int):
    bench = pump.bench
    line = LossyLine(pump)
    client = Client(line)
    session = client.hello().session
    client.commit(client.propose_program(rig.therapy(basal_dose_ng_per_day=2_400_007)).digest)
    rng = random.Random(seed)
    streams = Streams(seed, session)
    port = os.open(pump.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    sent = answered = now_us = 0
    live: list[int] = []
    while sent < STREAMS:
        burst = b""
        while len(burst) < BURST_BYTES:
            burst += streams.next()
            sent += 1
        os.write(port, burst)
        now_us = bench.advance_by(rng.randint(1, 100_000_000))
        answered += drain(port)
        # 2,400,007 ng/day at 20 mg/mL in steps of 2.5 nL
        truth = bench.truth()
        assert truth.steps == now_us * 2_400_007 // (86_400_000_000 * 50)
        assert truth.late_runs == 0
        live.append(truth.heap_live)
    os.close(port)
    assert answered > sent
    assert max(live[len(live) // 10 :]) <= max(live[: len(live) // 10]) + SLACK_BYTES
    line.exchange(b"\0")
    hello = client.hello()
    assert hello.session != session
    assert client.status().steps == bench.truth().steps
    line.close()
