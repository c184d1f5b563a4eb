"""A pump that has the key and lies: sessions are right, what it answers in them is what a test makes of it.

`honest()` asks a real, emulated pump every question once. A `HostilePump` answers with that, less what its
`spoil` makes otherwise. `plugged(device)` puts a device behind a URL that every command takes as a port; the
device is any function from the bytes sent to it to the bytes that come back.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import serial

from host.link.fake_device import KEY, MALFORMED, FakePump, Refusal
from thecal.emulator.emulator import Emulator
from thecal.link import key_lookup, transport
from thecal.link.client import Client
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy
from thecal_protocol import messages
from thecal_protocol.codec import WireError, decode, encoded
from thecal_protocol.framing import FrameReader
from thecal_protocol.messages import (
    ACCOUNTS,
    ALARMS_LIST,
    EVENTS,
    LIMITS,
    LOG_KEY,
    LOG_STATE,
    PROGRAM,
    REFUSED,
    RESERVOIR,
    SENSORS_READ,
    STATUS,
    answer_fields,
    request_fields,
)

MORPHINE = Path(__file__).resolve().parents[3] / "examples" / "morphine-constant.toml"
PLUGGED: dict[str, Callable[[bytes], bytes]] = {}
GONE = b"gone"
URL = "hostile://pump"
_PAGES = {  # opcode -> (what the request counts from, the group, its total; how many fit on a page)
    LIMITS: ("first", "limits", "total", 4),
    ALARMS_LIST: ("first", "alarms", "total", 4),
    RESERVOIR: ("first", "checks", "total", 2),
    ACCOUNTS: ("first_filling", "fillings", "fillings_total", 2),
    EVENTS: ("first", "events", "", 3),
}
ALARM = {"alarm": 4, "critical": 1, "state": 1, "raised_s": 5, "raised_us": 0, "detail": 7}
CHECK = {"at_s": 9, "day": 9500, "filled_pl": 10**12, "counted_pl": 10**10, "residual_pl": 10**10}

Answer = dict[str, Any]
# What a spoiler gets: opcode, the request's values, the honest answer. It may change the answer in place,
# return another one, return bytes (the payload as it is), or raise Refusal.
Spoil = Callable[[int, Answer, Answer], Answer | bytes | None]


@functools.cache
def honest() -> dict[int, Any]:
    """What an honest pump answers, by opcode; of what comes in pages all of it."""
    found: dict[int, Any] = {}
    with Emulator(seed=1) as emulator, Client.connect(emulator.port) as client:
        client.commit(client.propose_program(to_wire(load_therapy(MORPHINE))).digest)
        emulator.bench.advance_by(3_600_000_000)
        client.commit(client.propose_bolus(100_000, 600_000_000).digest)
        emulator.bench.advance_by(3_600_000_000)
        for opcode in (STATUS, LOG_STATE, LOG_KEY, SENSORS_READ):
            found[opcode] = client.request(opcode).values
        for opcode, (first, group, total, _) in _PAGES.items():
            if opcode != EVENTS:
                whole: Answer = client.request(opcode, press="", **{first: 0}).values
                while total and len(whole[group]) < whole[total]:
                    more: Answer = client.request(opcode, press="", **{first: len(whole[group])}).values
                    whole = {**more, group: [*whole[group], *more[group]]}
                found[opcode] = whole
        events: list[Any] = []
        at = 0
        while True:
            page: Answer = client.request(EVENTS, first=at, last=2**32 - 1, count=255, ring=0).values
            if not page["events"]:
                break
            events += page["events"]
            at = page["next"]
        found[EVENTS] = {"next": at, "events": events}
        blob = b""
        while piece := client.request(PROGRAM, offset=len(blob)).data("data"):
            blob += piece
        found[PROGRAM] = blob
    found[ALARMS_LIST] |= {"total": 1, "announced": 4, "alarms": [ALARM]}
    found[RESERVOIR] |= {"total": 1, "checks": [{**CHECK, "ratio_ppm": 10**6}]}
    return found


class HostilePump(FakePump):
    """Answers as the honest one, but for what `spoil` does."""

    def __init__(self, spoil: Spoil = lambda opcode, request, answer: None, model: str = "fake") -> None:
        super().__init__()
        self.lie = spoil
        self.model = model
        self.asked = 0

    def __call__(self, data: bytes) -> bytes:
        return b"".join(self.take(data))

    def _hello(self, values: dict[str, object]) -> dict[str, object]:
        answer = {**super()._hello(values), "model": self.model}
        made = self._lied(messages.HELLO, values, answer)
        return made if isinstance(made, dict) else answer

    def _lied(self, opcode: int, request: Answer, answer: Answer) -> Answer | bytes:
        other = self.lie(opcode, request, answer)
        return answer if other is None else other

    def _secured(self, reader: FrameReader, payload: bytes) -> bytes:
        self.asked += 1
        opcode, result = reader.opcode, 0
        try:
            request = decode(request_fields(opcode), payload, 0, len(payload))
            lied = self._lied(opcode, request, self._honest(opcode, request))
            answer = lied if isinstance(lied, bytes) else bytes(encoded(answer_fields(opcode), lied))
            self.done = (reader.session, reader.seq, opcode)
        except Refusal as refusal:
            result, answer = refusal.number, bytes(encoded(REFUSED, {"detail": refusal.detail}))
        except WireError:
            result, answer = MALFORMED, bytes(encoded(REFUSED, {"detail": ""}))
        assert self.secrets is not None
        return self.secrets.sealed(reader.session, reader.seq, result, answer, answer=True)

    def _honest(self, opcode: int, request: Any) -> Answer:
        known = honest().get(opcode)
        if known is None:
            return self.carry_out(opcode, request)
        if opcode == PROGRAM:
            return {"total": len(known), "data": known[request["offset"] :][:100]}
        if opcode not in _PAGES:
            return copy.deepcopy(known)
        first, group, _, most = _PAGES[opcode]
        if opcode != EVENTS:
            return {**known, group: copy.deepcopy(known[group][request[first] :][:most])}
        ring = request["ring"]
        wanted = [
            one
            for one in known["events"]
            if request["first"] <= one["sequence"] <= request["last"]
            and one["ring"] in (ring, one["ring"] * (not ring))
        ][: min(most, request["count"])]
        return {
            "next": wanted[-1]["sequence"] + 1 if wanted else request["first"],
            "events": copy.deepcopy(wanted),
        }


@contextlib.contextmanager
def plugged(device: Callable[[bytes], bytes]) -> Iterator[str]:
    """The URL of a port on which the device is."""
    package = __name__.rpartition(".")[0]
    if package not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(package)
    PLUGGED[URL] = device
    transport.provide_probe(URL, lambda: True)  # nothing comes later: nobody waits
    key_lookup.provide(URL, lambda session, hello, role: KEY)
    try:
        yield URL
    finally:
        key_lookup.withdraw(URL)
        transport.withdraw_probe(URL)
        del PLUGGED[URL]
