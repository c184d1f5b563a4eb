"""The device's end of the line: bytes in, at most one answer out, every command carried out at most once.

Sessions (docs/protocol.md): hello opens one, it becomes the current one with its first command; so a late
copy of an old hello disturbs nobody. Within a session a number above the last is carried out, the last
again gets the answer kept from the first time, an older one gets silence. What is not a well-formed
request gets silence too.

Called by: the main loop whenever the pump is awake. A pass without bytes allocates nothing; each pass
takes at most one buffer of bytes, so a flood cannot hold up dosing (SEC-09). Handlers are
`pump.link.commands`."""

from pump.therapy.bounds import Unacceptable
from wire import codec, framing, messages

CHUNK = 256
_UNKNOWN_OPCODE = 1
_MALFORMED = 2
_NO_SESSION = 3
_PROTOCOL_MISMATCH = 4
_INTERNAL = 23
_NOTE_SESSION = 2
_NOTE_REFUSED = 16
_ACTOR_PUMP = 0
_ACTOR_HOST = 5


class Server:
    """Frames, sessions and the table of handlers."""

    def __init__(self, serial, log, commands, identity):
        """`commands`: object with `handlers`, a dict opcode -> function(values) -> values, and
        `new_session()`."""
        self._serial = serial
        self._log = log
        self._commands = commands
        self._identity = identity
        self._reader = framing.FrameReader()
        self._chunk = bytearray(CHUNK)
        self._answer = bytearray(framing.FRAME_SIZE)
        self._view = memoryview(self._answer)
        self._hash = messages.own_hash()
        self._kept = bytearray(framing.FRAME_SIZE)  # the last answer of the current session
        self._kept_view = memoryview(self._kept)
        self._kept_size = 0
        self._session = 0  # current
        self._offered = 0  # from the last hello, not yet used
        self._nonce = -1
        self._next_session = 1
        self._last_seq = 0
        self._done_session = 0  # what was carried out last, for hello's account
        self._done_seq = 0
        self._done_opcode = 0

    def start_sessions_at(self, number: int) -> None:
        """First session number of this boot: drawn at random, so that an old session's frames do not fit."""
        self._next_session = number % 0xFFFF + 1

    def serve(self) -> bool:
        """Take what has arrived, up to one buffer; True when there was something."""
        count = self._serial.readinto(self._chunk)
        if not count:
            return False
        at = 0
        reader = self._reader
        while at < count:
            at = reader.feed(self._chunk, at, count)
            if reader.ready and reader.flags == framing.FORMAT_1:
                self._take(reader)
        return True

    def _take(self, reader) -> None:
        if reader.opcode == messages.HELLO:
            self._hello(reader)
        elif reader.session != 0 and reader.session == self._offered:
            self._offered = 0
            self._session = reader.session
            self._last_seq = 0
            self._kept_size = 0
            self._commands.new_session()
            self._note(_NOTE_SESSION, 0, reader.session, 0)
            self._command(reader)
        elif reader.session == self._session and self._session != 0:
            self._command(reader)
        else:
            self._refuse(reader, _NO_SESSION, "")

    def _command(self, reader) -> None:
        if reader.seq == self._last_seq and self._kept_size:
            self._serial.write(self._kept_view[: self._kept_size])
        elif reader.seq > self._last_seq:
            self._last_seq = reader.seq
            size = self._carry_out(reader)
            self._kept[:size] = self._view[:size]
            self._kept_size = size

    def _carry_out(self, reader) -> int:
        """Do what the request says; the size of the answer sent."""
        opcode = reader.opcode
        handler = self._commands.handlers.get(opcode)
        if handler is None:
            return self._refuse(reader, _UNKNOWN_OPCODE, "")
        try:
            fields = messages.request_fields(opcode)
            values = codec.decode(fields, reader.buffer, reader.payload_at, reader.payload_end)
            answer = handler(values)
        except codec.WireError as error:
            return self._refuse(reader, _MALFORMED, error.where)
        except Unacceptable as refused:
            number = codec.number_of(messages.REFUSALS, refused.reason)
            self._note(_NOTE_REFUSED, opcode, 0, number)
            return self._refuse(reader, number, refused.detail)
        self._done_session = reader.session
        self._done_seq = reader.seq
        self._done_opcode = opcode
        try:
            return self._send(reader, 0, messages.answer_fields(opcode), answer)
        except codec.WireError as error:  # an answer that has no room is told, never a reason to die
            return self._refuse(reader, _INTERNAL, error.where)

    def _note(self, kind: int, code: int, ref: int, b: int) -> None:
        self._log.actor = _ACTOR_HOST
        self._log.note(kind, code, ref, 0, b)
        self._log.actor = _ACTOR_PUMP

    def _hello(self, reader) -> None:
        try:
            fields = messages.request_fields(messages.HELLO)
            values = codec.decode(fields, reader.buffer, reader.payload_at, reader.payload_end)
        except codec.WireError as error:
            self._refuse(reader, _MALFORMED, error.where)
            return
        if values["protocol"] != messages.PROTOCOL_VERSION or values["table_hash"] != self._hash:
            self._refuse(
                reader, _PROTOCOL_MISMATCH, codec.version_text(messages.PROTOCOL_VERSION, self._hash)
            )
            return
        if values["nonce"] != self._nonce:
            self._nonce = values["nonce"]
            self._offered = self._next_session
            self._next_session = self._next_session % 0xFFFF + 1
            self._hello_session = self._offered
        answer = dict(self._identity)
        answer["protocol"] = messages.PROTOCOL_VERSION
        answer["table_hash"] = self._hash
        answer["session"] = self._hello_session
        answer["last_session"] = self._done_session
        answer["last_seq"] = self._done_seq
        answer["last_opcode"] = self._done_opcode
        self._send(reader, 0, messages.answer_fields(messages.HELLO), answer)

    def _refuse(self, reader, number: int, detail: str) -> int:
        return self._send(reader, number, messages.REFUSED, {"detail": detail})

    def _send(self, reader, result: int, fields, values) -> int:
        """`values` by the table `fields`, or the payload itself, ready encoded."""
        if isinstance(values, memoryview):
            end = framing.ANSWER_AT + len(values)
            self._answer[framing.ANSWER_AT : end] = values
        else:
            end = codec.encode(fields, values, self._answer, framing.ANSWER_AT, framing.ANSWER_END)
        size = framing.seal_answer(self._answer, end, reader.session, reader.seq, reader.opcode, result)
        self._serial.write(self._view[:size])
        return size
