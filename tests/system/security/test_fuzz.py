"""Frames that nobody with a key made: random, mutated from a recorded session, bit-flipped with mended CRC.

10,000 by default, THECAL_SOAK=1 (or THECAL_FUZZ_FRAMES=N) makes it a million. None may be accepted, reset the
pump or move a step.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal_protocol import framing
from thecal_protocol.codec import name_of
from thecal_protocol.messages import REFUSALS

from .attacker import Tap, body_of, hello, mended

SOAK = bool(os.environ.get("THECAL_SOAK"))
FRAMES = int(os.environ.get("THECAL_FUZZ_FRAMES") or (1_000_000 if SOAK else 10_000))
BATCH = 100  # frames between two looks at the answers
PASSES_US = 10_000_000  # the time that passes in all, over every batch
SECURED = framing.FORMAT_1 | framing.FLAG_SECURED


def frames_of(dice: random.Random, recorded: list[bytes], session: int):
    """Without end."""
    while True:
        kind = dice.randrange(4)
        if kind == 0:  # random bodies with a good head
            head = bytes((dice.choice((framing.FORMAT_1, SECURED)),))
            yield mended(head + dice.randbytes(dice.randint(5, 245)))
            continue
        if kind == 1:  # aimed at the open session
            head = bytes((SECURED, session & 0xFF, session >> 8)) + dice.randrange(65536).to_bytes(
                2, "little"
            )
            yield mended(head + dice.randbytes(dice.randint(9, 60)))
            continue
        body = bytearray(dice.choice(recorded))
        if kind == 2:
            for _ in range(dice.randint(1, 3)):
                body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
        else:
            at = dice.randrange(6, len(body))
            body[at : at + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
        if len(body) >= 6:
            yield mended(bytes(body[:250]))


def a_while(trace: Path, frames: int) -> Counter[str]:
    """One pump, with so many frames thrown at it; what it said to them."""
    dice = random.Random(6)
    said: Counter[str] = Counter()
    with Emulator(seed=5) as pump, Tap(pump.port) as line:
        client = Client(line)
        client.commit(client.propose_program(rig.therapy()).digest)
        client.status()
        client.limits()
        recorded = [body_of(frame) for sent in line.sent for frame in sent.split(b"\0") if frame]
        line.sent.clear()
        number = client._session._session
        pump.bench.mark()
        pump.bench.trace(trace)
        begun_us = pump.bench.now()
        source = frames_of(dice, recorded, number)
        for first in range(0, frames, BATCH):
            size = min(BATCH, frames - first)
            data = b"\0".join(next(source) for _ in range(size))
            said += thrown(line, data, client._session._seq)
            pump.bench.advance_to(begun_us + PASSES_US * (first + size) // frames)
        pump.bench.advance_to(begun_us + PASSES_US)
        pump.bench.trace(None)
        assert client._session._session == number
        assert client.status().state == "infusing"
        assert client._session._session == number  # the open session has not even noticed
        assert client.log_state().boot == 1
    return said


def thrown(line: Tap, data: bytes, last_seq: int) -> Counter[str]:
    """What the pump said to these frames; a hello at the end tells when it has seen them all.

    `last_seq`: of the last real request. A copy of it gets the same answer again, and is not carried out.
    """
    said: Counter[str] = Counter()
    last = hello()
    seq = int.from_bytes(body_of(last)[3:5], "little")
    for at in range(0, len(data), 1500):  # never more than the line holds
        line.send(data[at : at + 1500])
        while line.receive(0.0):
            said[_what(line, last_seq)] += 1
    line.sent.clear()
    line.heard = b""
    line.send(b"\0" + last)
    while True:
        assert line.receive(10.0), "the pump does not answer any more"
        if line.reader.seq == seq and line.reader.opcode == 1 and not line.reader.result:
            return said
        said[_what(line, last_seq)] += 1


def _what(line: Tap, last_seq: int) -> str:
    if line.reader.flags & framing.FLAG_SECURED:
        return "repeated" if line.reader.seq == last_seq else "accepted"
    name = name_of(REFUSALS, line.reader.result)
    return f"hello {name}" if name == "ok" else name


@pytest.mark.req("SEC-08", "SEC-03", part="fuzzed frames: none accepted, no reset, no step moved")
def test_fuzzed_frames(tmp_path: Path):
    said = a_while(tmp_path / "with", FRAMES)
    a_while(tmp_path / "without", 0)

    print(f"{FRAMES} frames: {dict(said)}")
    assert said["accepted"] == 0
    assert said["not_authentic"] + said["stale_counter"] + said["no_session"] > FRAMES // 4
    trace = (tmp_path / "with").read_bytes()
    assert trace
    assert trace == (tmp_path / "without").read_bytes()
