"""The button: what a person at the pump has agreed to (SEC-07, SEC-14).

A request that needs the press is refused and waits a minute; a press in that time releases that one, with a
chirp and a record, and starts nothing: the host says the request again, and then it takes effect, once. Only
the newest waits. A press that finds nothing waiting counts for nothing but ending the slow-down
(`pump.link.auth`). A pairing, which needs no key, neither pushes out nor outlasts what somebody with a key
asked for, so no press for that one serves it.
"""

from pump.safety.readiness import CHIRP
from pump.therapy.bounds import Refused
from pump.units import Instant
from thecal_protocol import events as event
from thecal_protocol.roles import BUTTON_S

_LEAST_S = 10  # for the host to say it again, however late the press came
_PAIRING = 5  # opcode of PAIR


class ButtonAuthorization:
    """The one request that waits for a press, or was pressed for. Presses before boot do not count."""

    def __init__(self, button, timebase, log, alarms):
        self._button = button
        self._timebase = timebase
        self._log = log
        self._alarms = alarms
        self._presses = button.presses()
        self._act = b""  # opcode and payload of what waits
        self._pressed = False  # for it
        self._until = Instant(0, 0)
        self.forgives = False  # a press since the last failed authentication

    def poll(self) -> None:
        """Take note of a press."""
        presses = self._button.presses()
        if presses == self._presses:
            return
        self._presses = presses
        self.forgives = True
        if not self._waits() or self._pressed:
            return
        self._pressed = True
        time = self._timebase
        if time.s + _LEAST_S >= self._until.s:
            self._until.set(time.s + _LEAST_S, time.us)
        if self._act[0] != _PAIRING:  # which has a record of its own as it begins
            self._log.note(event.PRESS_TAKEN, self._act[0], 0, 0, 0)
        self._alarms.sound(CHIRP, time.s)

    def _waits(self) -> bool:
        return len(self._act) > 0 and not self._until.by(self._timebase.s, self._timebase.us)

    def need(self, act) -> None:
        """Return when this act was pressed for: that is used up then. Refused: it waits now; or, with
        the seconds until it may, a pairing that has to leave the press to another request."""
        self.poll()  # what was pressed before counts for nothing
        time = self._timebase
        if self._waits():
            if self._pressed and self._act == act:
                self._act = b""
                return
            if act[0] == _PAIRING and self._act[0] != _PAIRING:
                raise Refused("needs_button", str(self._until.s - time.s + 1))
        self._act = act
        self._pressed = False
        self._until.set(time.s + BUTTON_S, time.us)
        raise Refused("needs_button", "")

    def end_session(self) -> None:
        """What it asked for waits no longer."""
        if self._act and self._act[0] != _PAIRING:
            self._act = b""
