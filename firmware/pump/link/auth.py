"""Who is there: challenges, proofs, and what happens to those who fail (SEC-01, SEC-02, SEC-09).

A hello is answered with a session number and a challenge; the host proves with AUTH that it has the key of a
role. Challenges never repeat, whatever the board's random numbers are worth: they are hashes of random bytes,
of the count of boots (which the log and the ledger have on flash before the first hello is answered) and of a
count since boot. So nothing recorded fits again, and no flash is written for it.

From the third failure in a row on, authentications are refused for 1, 2, 4 ... 256 s without a look at them;
a success or the button ends that. Dosing does not notice.
"""

import hashlib

from pump.therapy.bounds import Refused
from thecal_protocol import codec, messages, secure
from thecal_protocol import events as event
from thecal_protocol.refusals import WRONG_KEY

_FREE_FAILURES = 2
_LONGEST_SHIFT = 8


class Auth:
    """The door. `session`: the number offered last, 0 when it is used up."""

    def __init__(self, board, keys, pairing, authorization, log, timebase, boots: int):
        self._random_bytes = board.random_bytes
        self._serial = board.serial_number
        self._keys = keys
        self._pairing = pairing
        self._authorization = authorization
        self._log = log
        self._timebase = timebase
        self.table_hash = messages.own_hash()
        self._version = secure.version_of(messages.PROTOCOL_VERSION, self.table_hash, board.serial_number)
        self._seed = board.random_bytes(32) + boots.to_bytes(8, "little")
        self._drawn = 0
        first = self.fresh()
        self._next = (first[0] | first[1] << 8) % 0xFFFF + 1
        self._nonce = -1
        self._hello_session = 0
        self._challenge = b""
        self.session = 0
        self._failures = 0
        self._until_s = -1

    def fresh(self) -> bytes:
        """32 bytes that nobody can foresee and that never come again."""
        self._drawn += 1
        sha = hashlib.sha256(self._seed)
        sha.update(self._drawn.to_bytes(4, "little"))
        sha.update(self._random_bytes(16))
        return sha.digest()

    def offer(self, values):
        """The part of hello's answer that is about sessions; Refused("protocol_mismatch")."""
        if values["protocol"] != messages.PROTOCOL_VERSION or values["table_hash"] != self.table_hash:
            raise Refused("protocol_mismatch", codec.version_text(messages.PROTOCOL_VERSION, self.table_hash))
        if values["nonce"] != self._nonce:
            self._nonce = values["nonce"]
            self.session = self._hello_session = self._next
            self._next = self._next % 0xFFFF + 1
            self._challenge = self.fresh()[: secure.CHALLENGE_SIZE]
        return {
            "protocol": messages.PROTOCOL_VERSION,
            "table_hash": self.table_hash,
            "session": self._hello_session,
            "serial": self._serial,
            "capabilities": 1 if self._keys.of(3) else 0,
            "challenge": self._challenge,
        }

    def admit(self, session: int, values) -> bytes:
        """The secrets of the session (thecal_protocol.secure.session_secrets) that this AUTH opens;
        Refused.
        """
        now_s = self._timebase.s
        if self._authorization.forgives:
            self._authorization.forgives = False
            self._failures = 0
        elif self._failures > _FREE_FAILURES and now_s < self._until_s:
            raise Refused("slow_down", str(self._until_s - now_s))
        role = values["role"]
        if session == 0 or session != self.session:
            raise Refused("no_session", "")
        if len(values["nonce"]) != secure.CHALLENGE_SIZE:
            raise Refused("out_of_range", "nonce")
        pending = self._pairing.pending(role)
        for key in (pending, self._keys.of(role) if self._keys.of(3) else b""):
            if key:
                secrets = secure.session_secrets(
                    key, self._challenge, values["nonce"], session, role, self._version
                )
                if _same(secrets[: secure.PROOF_SIZE], values["proof"]):
                    self._failures = 0
                    if key is pending:
                        self._accept(role, key)
                    self.session = 0
                    return secrets
        self._fail(role, now_s)
        raise Refused("wrong_key" if pending or self._keys.of(role) else "not_paired", "")

    def _accept(self, role: int, key: bytes) -> None:
        """The new key is used for the first time: it replaces the old one."""
        replaced = self._keys.put(role, key)
        self._pairing.forget()
        self._log.note(event.PAIRED, role, 0, 0, 1 if replaced else 0)

    def _fail(self, role: int, now_s: int) -> None:
        failures = self._failures = min(self._failures + 1, 0x7FFF)
        shift = min(failures - _FREE_FAILURES - 1, _LONGEST_SHIFT)
        if shift >= 0:
            self._until_s = now_s + (1 << shift)
        if failures & failures - 1 == 0:
            self._log.note(event.AUTHENTICATION_FAILED, role & 7, failures, 0, WRONG_KEY)


def _same(a, b) -> bool:
    """Equal, in a time that does not tell where they differ."""
    if len(a) != len(b):
        return False
    wrong = 0
    for i in range(len(a)):
        wrong |= a[i] ^ b[i]
    return wrong == 0
