"""A pump in memory for tests of the host: the device's end of docs/reference/protocol.md, written from that
page alone.

`FakePump` answers frames; `FakeLink` is a `thecal.link.transport.Link` to it whose line loses, doubles,
delays, reorders and corrupts frames as a list of choices tells it. Keys and sealed frames are those of the
package cryptography. Time is counted in receives that timed out, so no test waits. Commands carried out are
counted in `FakePump.carried_out`.
"""

import binascii
import struct
from collections.abc import Callable, Iterable

from cobs import cobs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from thecal.link import key_lookup
from thecal.link.proposals import digest_of
from thecal_protocol import framing
from thecal_protocol.codec import WireError, decode, encode, encoded, table_hash, version_text
from thecal_protocol.framing import FrameReader
from thecal_protocol.messages import (
    AUTH,
    COMMIT,
    HELLO,
    PATIENT_BOLUS,
    PROGRAM,
    PROPOSE,
    PROTOCOL_VERSION,
    READING,
    REFUSED,
    RESUME,
    SCHEMA,
    STATUS,
    STOP,
    answer_fields,
    request_fields,
)

OK, UNKNOWN_OPCODE, MALFORMED, NO_SESSION, MISMATCH, NO_PROPOSAL = 0, 1, 2, 3, 4, 5
UNAUTHENTICATED, WRONG_KEY, STALE, TRUNCATED, NOT_AUTHENTIC = 45, 46, 50, 51, 52
KEY = b"the fake pump's!"
CLINICIAN = 3
PIECE = 100  # of READING: smaller than need be, so that every blob takes several

Values = dict[str, object]


def frame_of(session: int, seq: int, opcode: int, values: Values, *, answer: bool = False) -> bytes:
    """A request, or an answer without payload."""
    buffer = bytearray(framing.FRAME_SIZE)
    if answer:
        return bytes(buffer[: framing.seal_answer(buffer, framing.ANSWER_AT, session, seq, opcode, OK)])
    end = encode(request_fields(opcode), values, buffer, framing.REQUEST_AT, framing.REQUEST_END)
    return bytes(buffer[: framing.seal_request(buffer, end, session, seq, opcode)])


class Secrets:
    """What both ends of a session know."""

    def __init__(self, key: bytes, challenge: bytes, nonce: bytes, info: bytes) -> None:
        derived = HKDF(hashes.SHA256(), 64, salt=challenge + nonce, info=b"thecal session" + info).derive(key)
        self.proof = derived[:16]
        self._keys = [AESCCM(derived[at : at + 16], tag_length=8) for at in (16, 32)]  # to pump, to host
        self._salts = [derived[48:56], derived[56:64]]

    def sealed(self, session: int, seq: int, code: int, payload: bytes, *, answer: bool) -> bytes:
        """A whole secured frame."""
        head = struct.pack("<BHH", 0x13 if answer else 0x12, session, seq)
        text = self._keys[answer].encrypt(self._salts[answer] + head, bytes((code,)) + payload, head)
        body = head + text
        body += binascii.crc32(body).to_bytes(4, "little")
        return cobs.encode(body) + b"\0"

    def opened(self, reader: FrameReader, *, answer: bool) -> bytes | None:
        """Code and payload of the frame in the reader; None: not authentic."""
        head = bytes(reader.buffer[1:6])
        try:
            text = bytes(reader.buffer[6 : reader.payload_end])
            return self._keys[answer].decrypt(self._salts[answer] + head, text, head)
        except InvalidTag:
            return None


class Refusal(Exception):
    """What a handler raises to refuse."""

    def __init__(self, number: int, detail: str = "") -> None:
        self.number = number
        self.detail = detail


class FakePump:
    """Sessions, at-most-once and just enough of a pump to be programmed, stopped and asked."""

    def __init__(self, first_session: int = 100) -> None:
        self.reader = FrameReader()
        self.protocol = PROTOCOL_VERSION
        self.table_hash = table_hash(SCHEMA)
        self.next_session = first_session
        self.session = self.offered = self.hello_session = 0
        self.key = KEY
        self.challenge = b""
        self.secrets: Secrets | None = None
        self.role = 0
        self.nonce: object = None
        self.last_seq = 0
        self.kept = b""
        self.done = (0, 0, 0)
        self.carried_out: list[tuple[int, int]] = []  # (opcode, a number of its own)
        self.blob = b""
        self.kind = 0
        self.program = b""
        self.spoil: Callable[[bytes], bytes] = bytes  # what the pump reads of what was sent
        self.answers: dict[int, Values] = {}  # opcode -> what to answer instead

    def take(self, data: bytes) -> list[bytes]:
        """The frames that answer these bytes."""
        answers: list[bytes] = []
        at = 0
        while at < len(data):
            at = self.reader.feed(data, at, len(data))
            if self.reader.ready and not self.reader.flags & framing.FLAG_ANSWER:
                answer = self._frame(self.reader)
                if answer:
                    answers.append(answer)
        return answers

    def reset(self) -> None:
        """Lose what a power cut loses."""
        self.session = self.offered = self.last_seq = 0
        self.kept = b""
        self.done = (0, 0, 0)
        self.next_session += 1000

    def _frame(self, reader: FrameReader) -> bytes:
        if not reader.flags & framing.FLAG_SECURED:
            if reader.opcode == HELLO:
                return self._answer(reader, self._hello)
            if reader.opcode == AUTH:
                return self._auth(reader)
            return self._seal(reader, UNAUTHENTICATED, REFUSED, {"detail": ""})
        if reader.session != self.session or not self.session or self.secrets is None:
            return self._seal(reader, NO_SESSION, REFUSED, {"detail": ""})
        if reader.seq <= self.last_seq:
            return (
                self.kept
                if reader.seq == self.last_seq
                else self._seal(reader, STALE, REFUSED, {"detail": ""})
            )
        text = self.secrets.opened(reader, answer=False)
        if text is None:
            return self._seal(reader, NOT_AUTHENTIC, REFUSED, {"detail": ""})
        self.last_seq = reader.seq
        reader.opcode = text[0]
        self.kept = self._secured(reader, text[1:])
        return self.kept

    def _auth(self, reader: FrameReader) -> bytes:
        if reader.session == self.session and self.last_seq == 0 and self.kept:
            return self.kept
        if reader.session != self.offered or not self.offered:
            return self._seal(reader, NO_SESSION, REFUSED, {"detail": ""})
        values = decode(request_fields(AUTH), reader.buffer, reader.payload_at, reader.payload_end)
        role, nonce = _int(values["role"]), values["nonce"]
        assert isinstance(nonce, bytes)
        info = struct.pack("<BHB", role, reader.session, self.protocol) + self.table_hash + b"F-1"
        secrets = Secrets(self.key, self.challenge, nonce, info)
        if secrets.proof != values["proof"]:
            return self._seal(reader, WRONG_KEY, REFUSED, {"detail": ""})
        self.session, self.offered = self.offered, 0
        self.secrets, self.role, self.last_seq = secrets, role, 0
        answer: Values = {
            "firmware": "0",
            "last_session": self.done[0],
            "last_seq": self.done[1],
            "last_opcode": self.done[2],
        }
        payload = bytes(encoded(answer_fields(AUTH), answer))
        self.kept = secrets.sealed(reader.session, 0, OK, payload, answer=True)
        return self.kept

    def _secured(self, reader: FrameReader, payload: bytes) -> bytes:
        result, answer = OK, b""
        try:
            values = decode(request_fields(reader.opcode), payload, 0, len(payload))
            fields = answer_fields(reader.opcode)
            answer = bytes(encoded(fields, self._command(reader, values)))
        except WireError as error:
            result = UNKNOWN_OPCODE if error.where == "opcode" else MALFORMED
        except Refusal as refusal:
            result = refusal.number
        if result:
            answer = bytes(encoded(REFUSED, {"detail": ""}))
        assert self.secrets is not None
        return self.secrets.sealed(reader.session, reader.seq, result, answer, answer=True)

    def _answer(self, reader: FrameReader, handler: Callable[[Values], Values]) -> bytes:
        try:
            fields = request_fields(reader.opcode)
        except WireError:
            return self._seal(reader, UNKNOWN_OPCODE, REFUSED, {"detail": ""})
        try:
            values = decode(fields, reader.buffer, reader.payload_at, reader.payload_end)
            answer = handler(values)
        except WireError as error:
            return self._seal(reader, MALFORMED, REFUSED, {"detail": error.where})
        except Refusal as refusal:
            return self._seal(reader, refusal.number, REFUSED, {"detail": refusal.detail})
        return self._seal(reader, OK, answer_fields(reader.opcode), answer)

    def _seal(
        self, reader: FrameReader, result: int, fields: tuple[tuple[str, object], ...], values: Values
    ) -> bytes:
        buffer = bytearray(framing.FRAME_SIZE)
        end = encode(fields, values, buffer, framing.ANSWER_AT, framing.ANSWER_END)
        return bytes(
            buffer[: framing.seal_answer(buffer, end, reader.session, reader.seq, reader.opcode, result)]
        )

    def _hello(self, values: Values) -> Values:
        if (values["protocol"], values["table_hash"]) != (self.protocol, self.table_hash):
            raise Refusal(MISMATCH, version_text(self.protocol, self.table_hash))
        if values["nonce"] != self.nonce:
            self.nonce = values["nonce"]
            self.offered = self.hello_session = self.next_session
            self.next_session += 1
            self.challenge = struct.pack("<QQ", self.offered, len(self.carried_out))
        return {
            "protocol": self.protocol,
            "table_hash": self.table_hash,
            "session": self.hello_session,
            "model": "fake",
            "serial": "F-1",
            "capabilities": 1,
            "alarm": 0,
            "challenge": self.challenge,
        }

    def _command(self, reader: FrameReader, values: Values) -> Values:
        answer = self.answers.get(reader.opcode) or self.carry_out(reader.opcode, values)
        self.done = (reader.session, reader.seq, reader.opcode)
        return answer

    def carry_out(self, opcode: int, values: Values) -> Values:
        number = len(self.carried_out)
        if opcode == PATIENT_BOLUS:
            self.carried_out.append((opcode, number))
            return {"ref": number}
        if opcode in (STOP, RESUME):
            self.carried_out.append((opcode, number))
            return {"at_s": number, "at_us": 0}
        if opcode == PROPOSE:
            return self._propose(values)
        if opcode in (READING, PROGRAM):
            blob = self.blob if opcode == READING else self.program
            if not blob:
                raise Refusal(NO_PROPOSAL if opcode == READING else 10)
            offset = _int(values["offset"])
            return {"total": len(blob), "data": blob[offset : offset + PIECE]}
        if opcode == COMMIT:
            if not self.blob or values["digest"] != digest_of(self.kind, self.blob):
                raise Refusal(NO_PROPOSAL if not self.blob else 6)
            self.carried_out.append((opcode, number))
            self.program, self.blob = self.blob, b""
            return {"at_s": 5, "at_us": 0, "ref": number}
        if opcode == STATUS:
            return STATUS_VALUES
        self.blob = b""
        return {}

    def _propose(self, values: Values) -> Values:
        data = values["data"]
        assert isinstance(data, bytes)
        if values["offset"] == 0:
            self.blob, self.kind = b"", _int(values["kind"])
        if values["offset"] != len(self.blob):
            raise Refusal(NO_PROPOSAL)
        self.blob += data
        received = len(self.blob)
        if received < _int(values["total"]):
            return {"received": received, "digest": b"", "worst_case_24h": []}
        self.blob = self.spoil(self.blob)
        worst: list[Values] = [{"scheduled_ng": 1, "worst_ng": 2}]
        return {"received": received, "digest": digest_of(self.kind, self.blob), "worst_case_24h": worst}


STATUS_VALUES: Values = {
    "state": 1,
    "now_s": 1,
    "now_us": 2,
    "local_day": 3,
    "local_s": 4,
    "local_us": 5,
    "clock_set": 1,
    "program_digest": b"",
    "steps": 2**40,
    "reservoir_pl": 7,
    "rate_pl_per_day": 8,
    "basal_ng_per_day": 9,
    "next_change_s": 0xFFFFFFFF,
    "bolus": 0,
    "bolus_given_pl": 0,
    "bolus_left_us": 0,
    "alarms": 0,
    "alarm": 0,
    "missed_pl": 0,
    "next_event": 1,
}


class FakeLink:
    """A line to a `FakePump`. Every frame either way takes the next fate of `fates`; none left: it arrives.

    Fates: "pass", "lose", "double", "flip" (a bit), "hold" (until the line next falls silent), "late" (until
    a frame after it has passed), "reset" (the pump loses power first).
    """

    name = "fake"

    def __init__(self, pump: FakePump, fates: Iterable[str] = ()) -> None:
        self.pump = pump
        self.fates = iter(fates)
        self.reader = FrameReader()
        self.received = 0
        self.sample = b""
        self.sent: list[bytes] = []
        self._inbox = b""
        self._late: list[tuple[bool, bytes]] = []
        self._held: list[tuple[bool, bytes]] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self._carry(True, data)

    def receive(self, timeout_s: float) -> bool:
        while not self._feed():
            if not self._held:
                return False
            held, self._held = self._held, []
            for to_pump, data in held:
                self._arrive(to_pump, data)
            return self._feed()
        return True

    def clear_sample(self) -> None:
        self.sample = b""

    def reopen(self) -> None:
        self._inbox = b""

    def close(self) -> None:
        pass

    def _feed(self) -> bool:
        while self._inbox:
            at = self.reader.feed(self._inbox, 0, len(self._inbox))
            self._inbox = self._inbox[at:]
            if self.reader.ready:
                return True
        return False

    def _carry(self, to_pump: bool, data: bytes) -> None:
        fate = next(self.fates, "pass")
        late, self._late = self._late, []
        if fate == "hold":
            self._held.append((to_pump, data))
        elif fate == "late":
            self._late.append((to_pump, data))
        elif fate == "flip":
            middle = len(data) // 2
            self._arrive(to_pump, data[:middle] + bytes((data[middle] ^ 0x10,)) + data[middle + 1 :])
        elif fate != "lose":
            if fate == "reset":
                self.pump.reset()
            for _ in range(2 if fate == "double" else 1):
                self._arrive(to_pump, data)
        for item in late:
            self._arrive(*item)

    def _arrive(self, to_pump: bool, data: bytes) -> None:
        if to_pump:
            for answer in self.pump.take(data):
                self._carry(False, answer)
        else:
            self._inbox += data
            self.received += len(data)
            self.sample = self.sample or data[:24]


key_lookup.provide(FakeLink.name, lambda session, hello, role: KEY if role == CLINICIAN else None)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
