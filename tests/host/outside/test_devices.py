"""Hostile devices: whatever one says, with the key or without, a command ends in a line, soon, and small.

What they say is a table, `host.outside.lies`; `test_random_lies` says anything.
"""

import contextlib
import io
import os
import random
import re
import resource
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from host.outside import hostile
from host.outside.hostile import Answer, HostilePump, Refusal, Spoil, honest, plugged
from host.outside.lies import BARE, KINDS, STOCK
from host.outside.test_shown import OBEYED
from thecal import cli
from thecal.errors import ThecalError
from thecal.eventlog import integrity, text
from thecal.history import collect, database
from thecal.link import bare_console, log_pages
from thecal.monitor.look import Looking
from thecal.pump import Pump
from thecal.report import record
from thecal.report.summary import build
from thecal.units import bound_text
from thecal_protocol.codec import decode, encoded
from thecal_protocol.messages import (
    AUTH,
    HELLO,
    MESSAGES,
    PAIR,
    PROGRAM,
    answer_fields,
)
from thecal_protocol.therapy import THERAPY

MORE_BYTES, MOST_S = 100_000_000, 20.0
SOAK = bool(os.environ.get("THECAL_SOAK"))
RUNS = 100_000 if SOAK else 300
TEXTS = ("", "\x1b[31m", "\u202e", "x" * 255, "a 1 2 3", "resume_after_s 0 1800", "9" * 99, "[/x]{}%s$", "\n")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and a store of its own; nobody waits for a console that will not answer."""
    monkeypatch.setattr(bare_console, "_PATIENCE_S", 0.01)
    monkeypatch.setenv("THECAL_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("THECAL_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)  # where a report goes by itself
    if not SOAK:
        monkeypatch.setattr(log_pages, "MOST_RECORDS", 1500)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """A good device first: what the commands import is no growth of theirs."""
    honest()
    with plugged(HostilePump()) as url:
        for command in STOCK.split("|"):
            run(command, url)


def run(command: str, url: str, folder: Path = Path("/tmp")) -> tuple[int, str, str]:
    """A command against a device. It neither raises, nor takes long or much, nor passes on what is obeyed."""
    words = [word.format(d=folder, m=hostile.MORPHINE) for word in _split(command)]
    out, err = io.StringIO(), io.StringIO()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([*words, "--port", url])
    took = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert code in (0, 1, 2, 3), command
    assert took < MOST_S, command
    assert grown < MORE_BYTES, command
    assert not OBEYED.search((out.getvalue() + err.getvalue()).replace("\n", "")), command
    if code:
        assert err.getvalue().strip(), command
    return code, out.getvalue(), err.getvalue()


def _split(command: str) -> list[str]:
    return [found[0] or found[1] for found in re.findall(r"'([^']*)'|(\S+)", command)]


@pytest.mark.req("HOST-25", part="a device that has the key")
@pytest.mark.parametrize("kind", KINDS)
def test_a_pump_that_lies(kind: str, tmp_path: Path):
    spoil, commands, wanted = KINDS[kind]
    for command in commands.split("|"):
        with plugged(HostilePump(spoil)) as url:
            _, out, err = run(command, url, tmp_path)
        assert any(words in out + err for words in wanted.split("|")), (command, out, err)


@pytest.mark.req("HOST-25", part="a device without the key")
@pytest.mark.parametrize("kind", BARE)
def test_a_device_that_is_no_pump(kind: str):
    make, wanted = BARE[kind]
    for command in ("status", "stop", "pair"):
        with plugged(make()) as url:
            code, _, err = run(command, url)
        assert code == 1
        assert wanted in err


def test_there_are_forty_kinds():
    assert len(KINDS) + len(BARE) >= 40
    met = {opcode for opcode, name, *_ in MESSAGES}
    assert {HELLO, AUTH, PAIR} < met


def _wrong(kind: str, rng: random.Random) -> object:
    if kind == "bytes":
        return rng.randbytes(rng.choice((0, 1, 15, 16, 17, 64)))
    if kind == "str":
        return rng.choice(TEXTS)
    bits = 63 if kind == "i64" else int(kind[1:])
    return rng.choice((0, 1, (1 << bits) - 1, 1 << bits - 1, rng.getrandbits(bits) >> rng.randrange(bits)))


def _spoil_fields(fields: Any, answer: Answer, rng: random.Random, rate: float) -> None:
    for name, kind in fields:
        if isinstance(kind, str):
            if rng.random() < rate:
                answer[name] = _wrong(kind, rng)
        else:
            for entry in answer[name]:
                _spoil_fields(kind, entry, rng, rate)
            if rng.random() < rate:
                answer[name] = rng.choice(([], answer[name] * 2, answer[name][:1], answer[name][::-1]))


def _random_lie(rng: random.Random) -> Spoil:
    rate = rng.choice((0.02, 0.1, 0.5))
    only = rng.choice((0, 0, *(row[0] for row in MESSAGES)))
    program = honest()[PROGRAM]
    if rng.random() < 0.5:
        made: Answer = decode(THERAPY, program, 0, len(program))
        _spoil_fields(THERAPY, made, rng, rate)
        program = bytes(encoded(THERAPY, made))[:6000]

    def spoil(opcode: int, request: Answer, answer: Answer) -> Answer | bytes | None:
        if opcode == HELLO or only not in (0, opcode):
            return None
        if opcode == PROGRAM:
            return {"total": len(program), "data": program[request["offset"] :][:200]}
        if rng.random() < 0.02:
            return rng.randbytes(rng.randrange(60))
        if rng.random() < 0.02:
            raise Refusal(rng.randrange(1, 255), rng.choice(TEXTS)[:200])
        if set(answer) == {name for name, _ in answer_fields(opcode)}:
            _spoil_fields(answer_fields(opcode), answer, rng, rate)
        return answer

    return spoil


def _ask_all(pump: Pump, rng: random.Random) -> None:
    """What the commands ask and show, one of it, without the start of a command."""
    match rng.randrange(36) // 5:
        case 0:
            assert pump.status().rows()
            pump.status().as_json()
        case 1:
            view = pump.alarms()
            view.words()
            view.as_json()
        case 2:
            "".join(text.line(event) + str(text.as_json(event)) for event in pump.client.events())
        case 3:
            for limit in pump.limits():
                bound_text.amount_text(limit.name, limit.high)
        case 4:
            Looking(pump).look()
        case 5:
            integrity.verify(pump.client.log_key(), pump.client.log_state(), pump.client.events())
        case 6:
            with database.Store.open() as store:
                collect.collect(store, pump, "test")
        case _:
            build(record.of_pump(pump.client, "test"), None, datetime(2026, 1, 5))


@pytest.mark.req("HOST-25", part="random lies")
@pytest.mark.timeout(7200)
def test_random_lies():
    for seed in range(RUNS):
        rng = random.Random(seed)
        with (
            plugged(HostilePump(_random_lie(rng))) as url,
            contextlib.suppress(ThecalError),
            Pump(url) as pump,
        ):
            _ask_all(pump, rng)


@pytest.mark.skipif(not SOAK, reason="long: THECAL_SOAK=1")
@pytest.mark.timeout(7200)
def test_random_lies_to_commands(tmp_path: Path):
    commands = sorted({one for _, several, _ in KINDS.values() for one in several.split("|")})
    for seed in range(RUNS // 50):
        rng = random.Random(seed)
        with plugged(HostilePump(_random_lie(rng))) as url:
            run(rng.choice(commands), url, tmp_path)
