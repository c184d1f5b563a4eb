"""`thecal pair` and `thecal keys forget`: a new key from a pump into this user's keyring, and out of it.

Called by the command line.
"""

from thecal import ending, keyring, pairing
from thecal.answers import Hello
from thecal.button import Button
from thecal.errors import LinkError, PortError, Refused, ThecalError
from thecal.session import Session
from thecal.transport import Transport
from wire.roles import BUTTON_S, ROLES


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
        before = keyring.stored_or_none(hello.serial, role)
        path = keyring.store(hello.serial, role, key)
        try:
            _prove(session, hello, number, key)
        except Refused as refused:
            keyring.restore(hello.serial, role, before)
            raise ThecalError(
                f"the pump did not take the new key: {refused.name}", "the old one still counts; pair anew"
            ) from refused
    return keyring.Entry(hello.serial, role, path)


def _prove(session: Session, hello: Hello, role: int, key: bytes) -> None:
    """Open the session with which the pump takes the new key. Only its answer tells whether it did."""
    what = f"pairing as {keyring.role_name(role)}"
    with ending.holding() as signals:
        try:
            session.open(hello, role, key)
        except (LinkError, PortError) as lost:
            ending.act(what, ending.UNKNOWN)
            raise ThecalError(
                f"{lost.message}, and whether the pump took the new key is not known; it is kept here",
                "try `thecal status`; where the pump refuses the key, pair anew",
            ) from lost
    ending.act(what, ending.CARRIED_OUT)
    if signals:
        raise ending.Ended(signals[0], f"interrupted: {what} was carried out", ending.CARRIED_OUT)


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
