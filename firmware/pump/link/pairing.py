"""Pairing: a new key for a role, agreed with X25519 while somebody stands by the pump (SEC-07).

The button must be pressed for this very pairing (`pump.link.button_authorization`). Pump and host
exchange public keys made for this purpose only, so who listens learns nothing. The key counts, and the role's
old one is revoked, when the first session is opened with it (`pump.link.auth`), within a minute.

A pump without a clinician's key pairs with a clinician first.

The agreement is computed in slices (`step`): dosing goes first.
"""

from pump.link.x25519 import BASE, STEPS, X25519
from pump.therapy.bounds import Refused
from thecal_protocol import events as event
from thecal_protocol.messages import PAIR
from thecal_protocol.roles import BUTTON_S, CLINICIAN
from thecal_protocol.secure import pairing_key

_PUBLIC_SIZE = 32

PAIRING_STEPS = 2 * STEPS


class Pairing:
    """At most one pairing at a time. `key` of `role` may be used first until `until_s`."""

    def __init__(self, keys, authorization, timebase, log, serial: str):
        self._keys = keys
        self._authorization = authorization
        self._timebase = timebase
        self._log = log
        self._serial = serial
        self.busy = False
        self.role = 0
        self.key = b""
        self.until_s = -1
        self._theirs = b""
        self._ours = b""
        self._work = None

    def pair(self, role: int, public: bytes, scalar: bytes):
        """The answer of PAIR. `scalar`: 32 secret bytes to use if a pairing begins now."""
        if role == self.role and public == self._theirs:
            if self.busy:
                raise Refused("pairing", "")
            if self._timebase.s < self.until_s:
                if not self.key:
                    raise Refused("bad_public_key", "")
                return {"public": self._ours}
        if not 1 <= role <= 4 or len(public) != _PUBLIC_SIZE:
            raise Refused("out_of_range", "")
        if role != CLINICIAN and not self._keys.of(CLINICIAN):
            raise Refused("not_paired", "clinician")
        self._authorization.need(bytes([PAIR, role]) + public)
        work = X25519(scalar, BASE)
        self._log.note(event.PAIRING_BEGUN, role, 0, 0, 0)
        self.forget()
        self.role = role
        self._theirs = public
        self._work = work
        self.busy = True
        raise Refused("pairing", "")

    def forget(self) -> None:
        """No key is agreed on."""
        self.busy = False
        self.key = self._theirs = self._ours = b""
        self.role = 0
        self._work = None

    def pending(self, role: int) -> bytes:
        """The key agreed on with this role, while it may be used first; else empty."""
        if role == self.role and not self.busy and self._timebase.s < self.until_s:
            return self.key
        return b""

    def step(self) -> None:
        """One slice of the work, while `busy`."""
        work = self._work
        if not work.step():
            return
        if not self._ours:
            self._ours = work.result
            work.begin(int.from_bytes(self._theirs, "little"))
            return
        self._work = None
        self.busy = False
        self.until_s = self._timebase.s + BUTTON_S
        if any(work.result):  # zeros: a public key of small order
            self.key = pairing_key(work.result, self._theirs, self._ours, self.role, self._serial)
