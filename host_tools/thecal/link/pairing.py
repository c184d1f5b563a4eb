"""Pairing with a pump: a new key for a role, for which somebody must press the pump's button.

Pump and host agree on the key with X25519, so who only listens learns nothing; the button says that a person
is at the pump and wants it. Who sits in the middle and changes what passes could pair with both sides: pair
over a cable that you can see (docs/reference/security.md). The pump takes the new key, and revokes the old
one, when the first session is opened with it.
"""

import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from thecal.errors import LinkError, Refused, ThecalError
from thecal.link.button import pressed
from thecal.link.responses.pump import Hello, Reply
from thecal.link.session import Session
from thecal_protocol.messages import PAIR
from thecal_protocol.secure import pairing_key

_ASK_AGAIN_S = 0.002  # at least: a pump in virtual time computes while it is asked
_WORK_S = 60.0  # on the chip it takes half of that


def agree(
    session: Session,
    hello: Hello,
    role: int,
    button: Callable[[], None] | None,
    *,
    busy: Callable[[], None] = lambda: None,
    scalar: bytes | None = None,
) -> bytes:
    """The key agreed on with the pump that said this hello; open a session with it within a minute.

    `button`, `busy`: called once, when the pump wants its button pressed, and when another's request
    holds it. `scalar`: 32 bytes in place of random ones, where a run has to be repeatable.
    Refused, LinkError, PortError: there is no new key.
    """
    private = X25519PrivateKey.from_private_bytes(scalar) if scalar else X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()

    def tell(what: str) -> None:
        if button:
            button()

    whose = tell if button else None
    reply = pressed(lambda: _public(session, role, public), "to pair", hello.serial, whose, busy=busy)
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


def _public(session: Session, role: int, public: bytes) -> Reply:
    """The pump's answer, once it has computed it."""
    until = time.monotonic() + _WORK_S
    while True:
        asked = time.monotonic()
        try:
            return session.plain(PAIR, {"role": role, "public": public})
        except Refused as refused:
            if refused.name != "pairing" or time.monotonic() > until:
                raise
        took_s = time.monotonic() - asked  # a slow pump computes longer than it answers
        time.sleep(max(_ASK_AGAIN_S, 2 * took_s))


def pair(session: Session, role: int, button: Callable[[], None] | None) -> tuple[Hello, bytes]:
    """A new key, confirmed by a session that is open when this returns."""
    hello = session.greet()
    key = agree(session, hello, role, button)
    try:
        return session.open(hello, role, key), key
    except Refused as refused:
        raise ThecalError(
            f"the pump did not take the new key: {refused.name}", "the old one still counts; pair anew"
        ) from refused
