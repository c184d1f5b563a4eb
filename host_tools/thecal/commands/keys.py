"""`thecal pair` and `thecal keys forget`: a new key from a pump into this user's keyring, and out of it."""

from pathlib import Path

from thecal._io import interruption
from thecal.errors import LinkError, PortError, Refused, ThecalError
from thecal.link import keyring, pairing
from thecal.link.button import Button
from thecal.link.responses.pump import Hello
from thecal.link.session import Session
from thecal.link.transport import Transport
from thecal_protocol.roles import BUTTON_S, ROLES


def pair(port: str, role: str, tell: Button | None) -> keyring.Entry:
    """Pair with the pump on this port; the key as it is kept. `tell` gets what a person has to do; None:
    nobody may be asked.

    The key is kept before the pump has taken it: if it cannot be, the pump keeps the old one.
    """
    number = keyring.role_number(role)
    with Transport(port) as line:
        session = Session(line, role=number)
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
        path = _kept(session, hello, number, key)
    return keyring.Entry(hello.serial, role, path)


def _kept(session: Session, hello: Hello, role: int, key: bytes) -> Path:
    """Keep the key, and open the session with which the pump takes it. Only its answer tells whether it did:
    a signal is held from the moment the key is kept, so that never a key is left here that no pump has."""
    name = keyring.role_name(role)
    what = f"pairing as {name}"
    before = keyring.stored_or_none(hello.serial, name)
    with interruption.holding() as signals:
        path = keyring.store(hello.serial, name, key)
        try:
            _open(session, hello, role, key)
        except Refused as refused:
            keyring.restore(hello.serial, name, before)
            if signals:
                raise interruption.Ended(signals[0], f"interrupted: {what} was not carried out") from refused
            raise ThecalError(
                f"the pump did not take the new key: {refused.name}", "the old one still counts; pair anew"
            ) from refused
        except (LinkError, PortError) as lost:
            interruption.act(what, interruption.UNKNOWN)
            raise ThecalError(
                f"{lost.message}, and whether the pump took the new key is not known; it is kept here",
                "try `thecal status`; where the pump refuses the key, pair anew",
            ) from lost
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
