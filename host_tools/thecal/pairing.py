"""Pairing with a pump: a new key for a role, for which somebody must press the pump's button.

Pump and host agree on the key with X25519, so who only listens learns nothing; the button says that a person
is at the pump and wants it. Who sits in the middle and changes what passes could pair with both sides: pair
over a cable that you can see (docs/security.md). The pump takes the new key, and revokes the old one, when
the first session is opened with it.

Called by the command line's `pair` and by `emulator`.
"""

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from thecal.answers import Hello
from thecal.errors import LinkError, Refused, ThecalError
from thecal.session import Session
from wire.messages import PAIR
from wire.secure import pairing_key

_ASK_AGAIN_S = 0.002  # at least: a pump in virtual time computes while it is asked
_WORK_S = 60.0  # on the chip it takes half of that
BUTTON_S = 60.0


def agree(
    session: Session,
    hello: Hello,
    role: int,
    button: Callable[[], None],
    *,
    button_s: float = BUTTON_S,
    scalar: bytes | None = None,
) -> bytes:
    """The key agreed on with the pump that said this hello; open a session with it within a minute.

    `button`: called once, when the pump wants its button pressed; the pump is then asked for `button_s`
    seconds. `scalar`: 32 bytes in place of random ones, where a run has to be repeatable. Refused, LinkError,
    PortError: there is no new key.
    """
    private = X25519PrivateKey.from_private_bytes(scalar) if scalar else X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    until = time.monotonic() + _WORK_S
    told = False
    while True:
        asked = time.monotonic()
        try:
            reply = session.plain(PAIR, {"role": role, "public": public})
            break
        except Refused as refused:
            if refused.name == "needs_button" and not told:
                told = True
                until = time.monotonic() + button_s
                button()
            elif refused.name not in ("pairing", "needs_button") or time.monotonic() > until:
                raise
            else:
                took_s = time.monotonic() - asked  # a slow pump computes longer than it answers
                time.sleep(max(_ASK_AGAIN_S if refused.name == "pairing" else 10 * _ASK_AGAIN_S, 2 * took_s))
    theirs = reply.data("public")
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise LinkError(
            "the pump's public key is none",
            "somebody may be on the line: check the cable, pair anew",
            "malformed",
        ) from None
    return pairing_key(shared, public, theirs, role, hello.serial)


def pair(session: Session, role: int, button: Callable[[], None]) -> tuple[Hello, bytes]:
    """A new key, confirmed by a session that is open when this returns."""
    hello = session.greet()
    key = agree(session, hello, role, button)
    try:
        return session.open(hello, role, key), key
    except Refused as refused:
        raise ThecalError(
            f"the pump did not take the new key: {refused.name}", "the old one still counts; pair anew"
        ) from refused
