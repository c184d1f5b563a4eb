"""Physical intent: whether somebody pressed the pump's button a moment ago (SEC-07, SEC-10).

Called by: the main loop (`look`, each turn), `pump.link`. Allocates nothing."""

from wire.roles import BUTTON_S


class Presence:
    """The last press. Presses before the pump booted do not count."""

    def __init__(self, button, timebase):
        self._button = button
        self._timebase = timebase
        self._presses = button.presses()
        self._until_s = -1
        self.forgives = False  # a press since the last failed authentication

    def look(self) -> None:
        presses = self._button.presses()
        if presses != self._presses:
            self._presses = presses
            self._until_s = self._timebase.s + BUTTON_S
            self.forgives = True

    def recent(self) -> bool:
        """Was the button pressed within the last BUTTON_S seconds, and not used up?"""
        return self._timebase.s < self._until_s

    def use_up(self) -> None:
        """One pairing a press."""
        self._until_s = -1
