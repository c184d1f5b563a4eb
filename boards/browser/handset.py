"""The host's end of the line in a page: sessions, proposals and their commit, by the firmware's own protocol.

What `thecal.link` does, as far as the page needs it; it speaks to this one pump, over a line that loses
nothing.
"""

import hashlib

from cryptolib import aes

from thecal_protocol import codec, framing, messages, program, refusals, roles, secure, therapy

_KEYS_AT = secure.PROOF_SIZE
_SALTS_AT = _KEYS_AT + 2 * secure.KEY_SIZE
_PIECE = 200
_DIGEST_SIZE = 16


class Refusal(Exception):
    """The pump refuses a request."""


class Handset:
    """A clinician's. `serve()`: the pump takes what was sent, and answers."""

    def __init__(self, board, key: bytes, serve):
        self._board = board
        self._key = key
        self._serve = serve
        self._hash = messages.own_hash()
        self._frame = bytearray(framing.FRAME_SIZE)
        self._reader = framing.FrameReader()
        self._session = self._seq = 0
        self._sealer = self._opener = None

    def open(self) -> None:
        """A session of its own for what follows: between two of a page's commands days may pass."""
        hello = {"protocol": messages.PROTOCOL_VERSION, "table_hash": self._hash, "nonce": self._nonce(4)}
        offer = self._exchange(0, 0, messages.HELLO, hello)
        session = offer["session"]
        nonce = self._board.random_bytes(secure.CHALLENGE_SIZE)
        version = secure.version_of(messages.PROTOCOL_VERSION, self._hash, offer["serial"])
        secrets = secure.session_secrets(
            self._key, offer["challenge"], nonce, session, roles.CLINICIAN, version
        )
        self._sealer = _cipher(secrets, 0)
        self._opener = _cipher(secrets, 1)
        proof = secrets[: secure.PROOF_SIZE]
        self._exchange(session, 0, messages.AUTH, {"role": roles.CLINICIAN, "nonce": nonce, "proof": proof})
        self._session = session
        self._seq = 0

    def _nonce(self, size: int) -> int:
        return int.from_bytes(self._board.random_bytes(size), "little")

    def ask(self, opcode: int, **values):
        """A request of the session; what the pump answers. Refusal."""
        self._seq += 1
        return self._exchange(self._session, self._seq, opcode, values)

    def propose(self, kind: int, values) -> bytes:
        """Send a proposal, and read it back; its digest, for `COMMIT`. Refusal, also when it was misread."""
        blob = codec.encoded(messages.proposal_fields(kind), values)
        total = len(blob)
        for at in range(0, total, _PIECE):
            piece = blob[at : at + _PIECE]
            said = self.ask(messages.PROPOSE, kind=kind, total=total, offset=at, data=piece)
        read = b""
        while len(read) < total:
            read += self.ask(messages.READING, offset=len(read))["data"]
        digest = hashlib.sha256(bytes((kind,)) + blob).digest()[:_DIGEST_SIZE]
        if read != blob or said["digest"] != digest:
            raise Refusal("misread")
        return digest

    def _exchange(self, session: int, seq: int, opcode: int, values):
        frame = self._frame
        fields = messages.request_fields(opcode)
        end = codec.encode(fields, values, frame, framing.REQUEST_AT, framing.REQUEST_END)
        if opcode in (messages.HELLO, messages.AUTH):
            size = framing.seal_request(frame, end, session, seq, opcode)
        else:
            size = framing.seal_secured(frame, end, 0, session, seq, opcode, self._sealer)
        self._board.serial.take(memoryview(frame)[:size])
        self._serve()
        return self._answer(opcode)

    def _answer(self, opcode: int):
        reader = self._reader
        came = self._board.serial.given()
        at = 0
        while at < len(came):
            at = reader.feed(came, at, len(came))
            if reader.ready:
                return self._opened(reader, opcode)
        raise Refusal("no answer")

    def _opened(self, reader, opcode: int):
        at, end, result = reader.payload_at, reader.payload_end, reader.result
        if reader.flags & framing.FLAG_SECURED:
            if not self._opener.open(reader.buffer, end):
                raise Refusal("not authentic")
            at, end, result = framing.REQUEST_AT, end - secure.TAG_SIZE, reader.buffer[framing.TEXT_AT]
        if result:
            told = codec.decode(messages.REFUSED, reader.buffer, at, end)
            raise Refusal((codec.name_of(refusals.REFUSALS, result) + " " + told["detail"]).strip())
        return codec.decode(messages.answer_fields(opcode), reader.buffer, at, end)


def _cipher(secrets: bytes, direction: int):
    key_at = _KEYS_AT + secure.KEY_SIZE * direction
    salt_at = _SALTS_AT + secure.SALT_SIZE * direction
    key = secrets[key_at : key_at + secure.KEY_SIZE]
    return secure.Ccm(aes, key, secrets[salt_at : salt_at + secure.SALT_SIZE])


def _nothing(kind):
    """What a field of this kind says when a therapy has nothing of it."""
    if not isinstance(kind, str):
        return []
    return "" if kind == "str" else b"" if kind == "bytes" else 0


def therapy_of(values):
    """The page's form as the table `THERAPY`: a constant flow, and a periodic bolus if there is one. All that
    it says nothing of is nothing."""
    whole = {name: _nothing(kind) for name, kind in therapy.THERAPY}
    drug = {
        "name": "drug",
        "concentration_ng_per_ml": values["concentration_ng_per_ml"],
        "max_dose_24h_ng": 0,
        "max_dose_1h_ng": 0,
    }
    whole.update(
        {
            "schema": therapy.SCHEMA_VERSION,
            "name": "in the page",
            "reservoir_pl": values["fill_pl"],
            "fill_pl": values["fill_pl"],
            "step_volume_pl": values["step_volume_pl"],
            "pump_tubing_pl": values["dead_pl"],
            "drugs": [drug],
            "basal_mode": program.BASAL_CONTINUOUS,
            "basal_dose_ng_per_day": values["basal_ng_per_day"],
            "periodic_boluses": values["boluses"],
            "max_rate_pl_per_day": 24_000_000_000,
            "low_reservoir_pl": 2_000_000_000,
            "max_pause_s": 1800,
        }
    )
    return whole
