"""`thecal pair` and `thecal keys forget`: a new key from a pump into this user's keyring, and out of it."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from thecal._io import interruption
from thecal.errors import LinkError, PortError, Refused, ThecalError
from thecal.link import keyring, pairing
from thecal.link.button import Button
from thecal.link.responses.pump import Hello
from thecal.link.session import Session
from thecal.link.transport import Transport
from thecal_protocol.roles import BUTTON_S, ROLES

REVOKED, KEPT = "revoked", "kept"
_TRIED = 2  # a third failure in a row would slow the pump down


@dataclass(frozen=True)
class Paired:
    """A new key, and what became of the one that this computer had for the pump and role."""

    entry: keyring.Entry
    old: str | None  # "revoked": it was this pump's; "kept": that was not shown; None: there was none


def pair(port: str, role: str, tell: Button | None) -> Paired:
    """Pair with the pump on this port; the key as it is kept. `tell` gets what a person has to do; None:
    nobody may be asked.

    The new key is kept beside those there are before the pump has taken it, and comes first once the pump
    has proved that it has it. The old one goes only if this pump proved, before anybody pressed, that it has
    that one.
    """
    number = keyring.role_number(role)
    keyring.ready()
    with Transport(port) as line:
        session = Session(line, role=number)
        hello = session.greet()
        old = _old_key(session, hello.serial, number)
        if old == KEPT and tell:
            tell(
                f"note: this pump does not take the key that is kept here for {hello.serial}. Another "
                "computer has paired with it, it has lost its keys, or it is another device that says the "
                "same number: press only if you know it. The old key is kept beside the new one."
            )
        hello = session.greet()

        def button() -> None:
            if tell:
                tell(
                    f"Press the button of the pump {hello.serial} within {BUTTON_S} s, to pair as {role} ..."
                )

        def busy() -> None:
            if tell:
                tell("Another request waits for its button: this one's turn comes when that has gone ...")

        try:
            key = pairing.agree(session, hello, number, button if tell else None, busy=busy)
        except Refused as refused:
            raise _explained(refused, role) from refused
        path = _kept(session, hello, number, key, alone=old == REVOKED)
    return Paired(keyring.Entry(hello.serial, role, path), old)


def _old_key(session: Session, serial: str, role: int) -> str | None:
    """Whether the pump has a key that is kept here for it: what `Paired.old` will be."""
    kept = keyring.keys(serial, keyring.role_name(role))[:_TRIED]
    for key in kept:
        try:
            session.open(session.greet(), role, key)
        except Refused:
            continue
        return REVOKED
    return KEPT if kept else None


def _kept(session: Session, hello: Hello, role: int, key: bytes, *, alone: bool) -> Path:
    """Keep the key, and open the session with which the pump takes it. Only its answer tells whether it did:
    a signal is held from the moment the key is kept, so that it is known what this pump has. Until then, and
    whatever ends this, the old key is there and so is the new one."""
    serial, name = hello.serial, keyring.role_name(role)
    what = f"pairing as {name}"
    with interruption.holding() as signals:
        path = keyring.add(serial, name, key)
        try:
            _open(session, hello, role, key)
        except Refused as refused:
            with contextlib.suppress(keyring.NoKey):  # it is of no use, and does no harm
                keyring.drop(serial, name, key)
            if signals:
                raise interruption.Ended(signals[0], f"interrupted: {what} was not carried out") from refused
            raise ThecalError(
                f"the pump did not take the new key: {refused.name}", "the old one still counts; pair anew"
            ) from refused
        except (LinkError, PortError) as lost:
            interruption.act(what, interruption.UNKNOWN)
            raise ThecalError(
                f"{lost.message}, and whether the pump took the new key is not known; it is kept here, and "
                "so is the old one",
                "try `thecal status`; where the pump refuses both, pair anew",
            ) from lost
        with contextlib.suppress(keyring.NoKey):  # it stands beside the old one then, and is found there
            (keyring.store if alone else keyring.prefer)(serial, name, key)
    interruption.act(what, interruption.CARRIED_OUT)
    if signals:
        raise interruption.Ended(signals[0], f"interrupted: {what} was carried out", interruption.CARRIED_OUT)
    return path


def _open(session: Session, hello: Hello, role: int, key: bytes) -> None:
    """Refused: the pump has not taken it, and will not. LinkError, PortError: nobody knows."""
    try:
        session.open(hello, role, key)
        return
    except PortError:
        session.link.reopen()
    except LinkError:
        pass
    try:  # which is what the pump wants to see of the key, now or before
        session.open(session.greet(), role, key)
    except Refused as refused:
        if refused.name != "wrong_key":
            raise LinkError(f"the pump refused auth: {refused.name}", refused.hint, "refused") from refused
        raise


def forget(serial: str, role: str | None) -> list[str]:
    """Remove the keys of this pump, or of one role; which ones. ThecalError when there is none."""
    roles = [role] if role else [name for _, name in ROLES]
    gone = [name for name in roles if keyring.remove(serial, name)]
    if not gone:
        whose = f"{role}'s key" if role else "key"
        raise ThecalError(f"there is no {whose} for the pump {serial}", "`thecal keys` lists those there are")
    return gone


def _explained(refused: Refused, role: str) -> ThecalError:
    if refused.name == "needs_button":
        return ThecalError(
            "nobody pressed the pump's button: nothing was changed", "say it again, and press the button"
        )
    if refused.name == "not_paired":
        return ThecalError(
            f"the pump has no clinician's key yet, and takes no {role}'s before: nothing was changed",
            "say `thecal pair` first",
        )
    return refused
