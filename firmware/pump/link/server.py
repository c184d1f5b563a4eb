"""The device's end of the line: bytes in, at most one answer out, every command carried out at most once.

Outside of a session the pump answers hello, auth and pair, and refuses everything else by name. Within one,
every frame is sealed both ways (`thecal_protocol.secure`), opens only with the session's own keys, and is
checked against the role's rights (`thecal_protocol.roles`, deny by default) before anything is decoded. A
number above the last is carried out, the last again (tag and all) gets the answer kept from the first time.
Refusals of what could not be authenticated travel in plain frames: nobody should rely on them. What is not a
well-formed frame gets silence. Sessions end after 3 min without a frame and at the age of 8 h (SEC-06).

A pass without bytes allocates nothing; each pass takes at most one buffer of bytes, so a flood cannot hold
up dosing (SEC-09). Handlers are `pump.link.commands`.
"""

import cryptolib

from pump.therapy.bounds import Refused
from thecal_protocol import codec, framing, messages, roles, secure
from thecal_protocol import events as event
from thecal_protocol.events import PUMP

CHUNK = 256
IDLE_S = 180
AGE_S = 8 * 3600
_ENDED_IDLE = 1
_ENDED_OLD = 2
_WAKES = 200  # passes that bytes of nobody's may wake the pump for, and
_WAKES_PER_S = 10  # so many more each second
_FRAME_WAKES = 64  # and for each frame of somebody's with a key: it comes in so many pieces at most
_EXPIRED = 0  # the role of a session that timed out: may do nothing
_KEYS_AT = secure.PROOF_SIZE
_SALTS_AT = _KEYS_AT + 2 * secure.KEY_SIZE


class Server:
    """Frames, sessions and the table of handlers."""

    def __init__(self, serial, log, timebase, commands, authorization, auth, pairing, budgets, identity):
        """`commands`: object with `handlers`, a dict opcode -> function(values) -> values, `role` to set,
        `new_session()`, `needs_press()`, `allows()` and `alarm_class()`."""
        self._serial = serial
        self._log = log
        self._timebase = timebase
        self._commands = commands
        self._authorization = authorization
        self._auth = auth
        self._pairing = pairing
        self._budgets = budgets
        self._identity = identity
        self._reader = framing.FrameReader()
        self._chunk = bytearray(CHUNK)
        self._answer = bytearray(framing.FRAME_SIZE)
        self._view = memoryview(self._answer)
        self._kept = bytearray(framing.FRAME_SIZE)  # the last answer of the current session
        self._kept_view = memoryview(self._kept)
        self._kept_size = 0
        self._kept_tag = bytearray(secure.TAG_SIZE)  # of the request it answers
        self._session = 0  # current
        self._opener = self._sealer = None
        self._opened_s = self._used_s = 0
        self._last_seq = 0
        self._refused = 0  # frames that were not authentic, since boot
        self._wakes_left = _WAKES
        self._regained_s = 0
        self.rx_enabled = True  # not while the line has used up its wake-ups of this second
        self._done_session = 0  # what was carried out last, to settle by
        self._done_seq = 0
        self._done_opcode = 0

    def poll(self) -> bool:
        """Take what has arrived, up to one buffer; True when there is more to do at once."""
        self._authorization.poll()
        pairing = self._pairing
        if pairing.busy:
            pairing.step()
        count = self._serial.readinto(self._chunk)
        if self._wakes_left < _WAKES:
            self._regain_wakes()
        if not count:
            return pairing.busy
        self._wakes_left -= 1
        if self._wakes_left <= 0 and self.rx_enabled:
            self._enable_rx(False)
        at = 0
        reader = self._reader
        while at < count:
            at = reader.feed(self._chunk, at, count)
            if reader.ready and not reader.flags & framing.FLAG_ANSWER:
                if reader.flags & framing.FLAG_SECURED:
                    self._take(reader)
                else:
                    self._take_plain(reader)
        return pairing.busy

    # --- how often the line may wake the pump (SEC-09) ---

    def _regain_wakes(self) -> None:
        s = self._timebase.s
        if s != self._regained_s:
            self._wakes_left = min(_WAKES, max(self._wakes_left, 0) + _WAKES_PER_S)
            self._regained_s = s
            if not self.rx_enabled:
                self._enable_rx(True)

    def _enable_rx(self, on: bool) -> None:
        self.rx_enabled = on
        self._serial.listen(on)

    # --- outside of sessions ---

    def _take_plain(self, reader) -> None:
        opcode = reader.opcode
        try:
            if opcode not in (messages.HELLO, messages.AUTH, messages.PAIR):
                raise Refused("unauthenticated", "")
            fields = messages.request_fields(opcode)
            values = codec.decode(fields, reader.buffer, reader.payload_at, reader.payload_end)
            if opcode == messages.HELLO:
                answer = self._auth.offer(values)
                answer["model"] = self._identity["model"]
                answer["alarm"] = self._commands.alarm_class()
            elif opcode == messages.AUTH:
                self._open_session(reader, values)
                return
            else:
                answer = self._pairing.pair(values["role"], values["public"], self._auth.fresh())
            self._send_plain(reader, 0, messages.answer_fields(opcode), answer)
        except codec.WireError as error:
            self._refuse_plain(reader, "malformed", error.where)
        except Refused as refused:
            self._refuse_plain(reader, refused.reason, refused.detail)

    def _open_session(self, reader, values) -> None:
        """AUTH: the offered session becomes the current one, and the old one ends."""
        if reader.session == self._session and self._session and not self._last_seq:
            self._serial.write(self._kept_view[: self._kept_size])
            return
        role = values["role"]
        secrets = self._auth.admit(reader.session, values)
        self._budgets.take_session(role, self._timebase.s)
        log = self._log
        log.actor = role
        log.note(event.SESSION_OPENED, 0, reader.session, 0, 0)
        log.actor = PUMP
        self._session = reader.session
        self._opener = self._cipher(secrets, 0)
        self._sealer = self._cipher(secrets, 1)
        self._opened_s = self._used_s = self._timebase.s
        self._last_seq = 0
        self._commands.role = role
        self._commands.new_session()
        answer = {
            "firmware": self._identity["firmware"],
            "last_session": self._done_session,
            "last_seq": self._done_seq,
            "last_opcode": self._done_opcode,
        }
        self._keep(self._send(reader, 0, messages.answer_fields(messages.AUTH), answer))

    def _cipher(self, secrets, direction: int):
        key_at = _KEYS_AT + secure.KEY_SIZE * direction
        salt_at = _SALTS_AT + secure.SALT_SIZE * direction
        return secure.Ccm(
            cryptolib.aes,
            secrets[key_at : key_at + secure.KEY_SIZE],
            secrets[salt_at : salt_at + secure.SALT_SIZE],
        )

    def _refuse_plain(self, reader, reason: str, detail: str) -> None:
        self._send_plain(
            reader, codec.number_of(messages.REFUSALS, reason), messages.REFUSED, {"detail": detail}
        )

    def _send_plain(self, reader, result: int, fields, values) -> None:
        end = codec.encode(fields, values, self._answer, framing.ANSWER_AT, framing.ANSWER_END)
        size = framing.seal_answer(self._answer, end, reader.session, reader.seq, reader.opcode, result)
        self._serial.write(self._view[:size])

    # --- within a session ---

    def _take(self, reader) -> None:
        """A secured frame: refuse it in the plain, or carry it out."""
        reason = self._flaw(reader)
        if reason:
            count = self._refused = (self._refused + 1) & 0x3FFFFFFF
            number = codec.number_of(messages.REFUSALS, reason)
            if count & count - 1 == 0:
                self._log.note(event.FRAMES_REFUSED, number, count & 0xFFFF, 0, 0)
            self._refuse_plain(reader, reason, "")

    def _flaw(self, reader) -> str:
        """Why a secured frame is not taken; empty when it was carried out or answered as before."""
        if reader.session != self._session or not self._session:
            return "no_session"
        if reader.payload_end - framing.TEXT_AT <= secure.TAG_SIZE:
            return "truncated_tag"
        if reader.seq < self._last_seq:
            return "stale_counter"
        buffer = reader.buffer
        tag_at = reader.payload_end - secure.TAG_SIZE
        if reader.seq == self._last_seq:
            if buffer[tag_at : reader.payload_end] != self._kept_tag or not self._last_seq:
                return "stale_counter"
            self._serial.write(self._kept_view[: self._kept_size])
            return ""
        tag = buffer[tag_at : reader.payload_end]
        if not self._opener.open(buffer, reader.payload_end):
            return "not_authentic"
        self._kept_tag[:] = tag
        self._last_seq = reader.seq
        reader.opcode = buffer[framing.TEXT_AT]
        reader.payload_at = framing.REQUEST_AT
        reader.payload_end = tag_at
        log = self._log
        log.actor = self._commands.role
        try:
            self._keep(self._carry_out(reader))
        finally:
            log.actor = PUMP
        return ""

    def _keep(self, size: int) -> None:
        self._kept[:size] = self._view[:size]
        self._kept_size = size

    def _check(self, opcode: int) -> None:
        """Time-outs and the role's rights. Refused."""
        now_s = self._timebase.s
        commands = self._commands
        if commands.role:
            why = _ENDED_OLD if now_s - self._opened_s >= AGE_S else 0
            why = _ENDED_IDLE if now_s - self._used_s >= IDLE_S else why
            if why:
                self._log.note(event.SESSION_ENDED, why, self._session, 0, 0)
                commands.role = _EXPIRED
                commands.new_session()
        self._used_s = now_s
        if not commands.role:
            raise Refused("session_expired", "")
        if not self._budgets.take_frame(commands.role, opcode, now_s):
            self._wakes_left = 0  # until the next second nothing from the line wakes the pump
            self._enable_rx(False)
            raise Refused("over_budget", "1")
        self._wakes_left = min(
            _WAKES, self._wakes_left + _FRAME_WAKES
        )  # somebody with a key, within the role's rights
        if not self.rx_enabled:
            self._enable_rx(True)
        if opcode not in commands.handlers:
            raise Refused("unknown_opcode", "")
        if not roles.may(commands.role, opcode):
            raise Refused("wrong_role", codec.name_of(roles.ROLES, commands.role))

    def _carry_out(self, reader) -> int:
        """Do what the request says; the size of the answer sent."""
        opcode = reader.opcode
        commands = self._commands
        try:
            self._check(opcode)
            fields = messages.request_fields(opcode)
            values = codec.decode(fields, reader.buffer, reader.payload_at, reader.payload_end)
            commands.allows(opcode)
            if commands.needs_press(opcode, values):
                self._authorization.need(bytes(reader.buffer[framing.TEXT_AT : reader.payload_end]))
            answer = commands.handlers[opcode](values)
        except codec.WireError as error:
            return self._refuse(reader, "malformed", error.where)
        except Refused as refused:
            number = codec.number_of(messages.REFUSALS, refused.reason)
            if refused.reason not in ("unknown_opcode", "session_expired"):
                self._log.note(event.COMMAND_REFUSED, opcode, 0, 0, number)
            return self._refuse(reader, refused.reason, refused.detail)
        self._done_session = reader.session
        self._done_seq = reader.seq
        self._done_opcode = opcode
        try:
            return self._send(reader, 0, messages.answer_fields(opcode), answer)
        except codec.WireError as error:  # an answer that has no room is told, never a reason to die
            return self._refuse(reader, "internal", error.where)

    def _refuse(self, reader, reason: str, detail: str) -> int:
        number = codec.number_of(messages.REFUSALS, reason)
        return self._send(reader, number, messages.REFUSED, {"detail": detail})

    def _send(self, reader, result: int, fields, values) -> int:
        """`values` by the table `fields`, or the payload itself, ready encoded."""
        buffer = self._answer
        if isinstance(values, memoryview):
            end = framing.REQUEST_AT + len(values)
            buffer[framing.REQUEST_AT : end] = values
        else:
            end = codec.encode(fields, values, buffer, framing.REQUEST_AT, framing.REQUEST_END)
        size = framing.seal_secured(
            buffer, end, framing.FLAG_ANSWER, reader.session, reader.seq, result, self._sealer
        )
        self._serial.write(self._view[:size])
        return size
