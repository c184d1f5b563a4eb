"""A flooded serial line: bytes that nobody sent come in at a steady rate of virtual time, from a seed.

Half of the bursts are garbage of any length, a quarter looks like frames (COBS groups that end), a quarter
are well-formed frames with a right CRC, as an attacker can make them who knows the protocol but no key."""

import hashlib
import sys

from torn_write import Rng

_LONGEST = 200
_FRAME_BODY = 24
_HELLO = 1


class Flood:
    """Made while an injection lasts. `burst()` makes the next bytes; `gap_us(size)`: they take so long."""

    def __init__(self, seed: int, bytes_per_s: int):
        self._rng = Rng(seed)
        self._bytes_per_s = bytes_per_s
        self._framing = sys.modules.get("thecal_protocol.framing")
        self._hello = self._make_hello()
        self.bursts = 0

    def gap_us(self, size: int) -> int:
        return max(1, size * 1_000_000 // self._bytes_per_s)

    def burst(self):
        """Some bytes of the flood."""
        self.bursts += 1
        rng = self._rng
        kind = rng.roll(4)
        size = 1 + rng.roll(_LONGEST)
        if kind == 3 and self._framing is not None:
            return self._frame()
        data = bytearray(self._garbage(size))
        if kind == 2:
            for at in range(size):
                data[at] = data[at] or 1
        if kind == 2:
            data[0] = min(size, 254)
            data[-1] = 0
        return data

    def _garbage(self, size: int) -> bytes:
        """So many bytes; hashing makes them fastest."""
        data = b""
        while len(data) < size:
            data += hashlib.sha256(b"%d" % self._rng.roll(1 << 29)).digest()
        return data[:size]

    def _frame(self):
        """A request with a right CRC: often a hello, else any opcode in any session."""
        rng = self._rng
        framing = self._framing
        frame = bytearray(framing.FRAME_SIZE)
        end = framing.REQUEST_AT + rng.roll(_FRAME_BODY)
        opcode = rng.roll(256)
        if self._hello and rng.roll(2):
            end = framing.REQUEST_AT + len(self._hello)
            opcode = _HELLO
            frame[framing.REQUEST_AT : end] = self._hello
        else:
            frame[framing.REQUEST_AT : end] = self._garbage(end - framing.REQUEST_AT)
        size = framing.seal_request(frame, end, rng.roll(0x10000), rng.roll(0x10000), opcode)
        return memoryview(frame)[:size]

    def _make_hello(self):
        """The payload of a hello that the pump takes; empty where there is no protocol."""
        messages = sys.modules.get("thecal_protocol.messages")
        if messages is None or self._framing is None:
            return b""
        codec = sys.modules["thecal_protocol.codec"]
        known = {"protocol": messages.PROTOCOL_VERSION, "table_hash": messages.own_hash()}
        fields = messages.request_fields(_HELLO)
        values = {}
        for name, kind in fields:
            values[name] = known.get(name, self._rng.roll(0x100) if kind[0] in "ui" else bytes(16))
        payload = bytearray(64)
        return payload[: codec.encode(fields, values, payload, 0, len(payload))]
