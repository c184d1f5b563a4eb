"""Every error that thecal raises on purpose: one line, what was wrong, and what to do about it.

The command line prints `str(error)` and exits with 1. Library callers catch `ThecalError`, or a subclass to
act on one cause; no exception of pyserial, of the operating system or of `thecal_protocol` comes through.
"""

from collections.abc import Sequence
from typing import NamedTuple


class ThecalError(Exception):
    """`message` says what was wrong, `hint` what would be right or what to do; `str()` is both, one line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.message}; {self.hint}" if self.hint else self.message
        if text.isprintable():
            return text
        return "".join(
            one if one.isprintable() else f"\\u{ord(one):04x}" for one in text
        )  # of a file, perhaps


class WrongArgument(ThecalError, TypeError, ValueError):
    """A call of the Python API was given what it does not take; nothing was asked of a pump."""


class PortError(ThecalError):
    """The port cannot be opened, or vanished while open."""


class LinkError(ThecalError):
    """The port works but the conversation does not.

    `cause`: "silent" (nothing came back), "garbage" (bytes, no frames), "echo" (our own frames came back),
    "stranger" (frames, but no answer to ours), "late" (answers, but always after a long wait), "malformed"
    (an answer that breaks the protocol), "no_session", "interrupted" (by a signal that `interruption` holds).
    After a LinkError or PortError amid a command, `Client.resolve_outcome` tells whether it was carried out.
    """

    def __init__(self, message: str, hint: str, cause: str) -> None:
        super().__init__(message, hint)
        self.cause = cause

    @property
    def silent(self) -> bool:
        """Whether nothing at all came back."""
        return self.cause == "silent"


class SessionLost(LinkError):
    """The pump (or somebody in its place: this cannot be proved) says that it does not know the session.

    As after any LinkError amid a command, `Client.resolve_outcome` tells whether it was carried out.
    """

    def __init__(self, request: str, port: str) -> None:
        super().__init__(
            f"no_session: the pump on {port} does not know this session any more ({request})",
            "it restarted or another host took over: connect again",
            "no_session",
        )


class ProtocolMismatch(ThecalError):
    """Host and pump speak different protocols, or different tables of the same protocol."""

    def __init__(self, host: str, pump: str) -> None:
        super().__init__(
            f"protocol_mismatch: this thecal speaks {host}, the pump speaks {pump}",
            "use the thecal that came with the pump's firmware, or flash this thecal's firmware",
        )
        self.host = host
        self.pump = pump


class Refused(ThecalError):
    """The pump understood the request and refused it; nothing has changed.

    `name`, `number`: of `thecal_protocol.messages.REFUSALS`. `opcode`: the request. `detail`: the pump's own
    hint, such as the field at fault; may be empty. `words`: the same for a person (`units.bound_text`).
    """

    def __init__(
        self, name: str, number: int, opcode: int, request: str, detail: str, words: str = ""
    ) -> None:
        what, hint = REFUSAL_TEXTS.get(name, ("", ""))
        text = f"the pump refused {REQUEST_WORDS.get(request, request.replace('_', ' '))}: {name}"
        if what:
            text += f", {what}"
        if detail:
            text += f" ({words or detail})"
        super().__init__(text, hint)
        self.name = name
        self.number = number
        self.opcode = opcode
        self.detail = detail


class ReadbackMismatch(ThecalError):
    """The pump's reading of a proposal is not what was sent; the proposal was withdrawn."""


class Problem(NamedTuple):
    """One thing that is wrong (or worth a warning): the field, and what would be right."""

    field: str
    message: str


class TherapyError(ThecalError):
    """Input that cannot be accepted. `problems`: (field, message) of each fault; field "": the whole file."""

    def __init__(self, problems: Sequence[tuple[str, str]], hint: str = "") -> None:
        texts = [f"{field}: {message}" if field else message for field, message in problems]
        super().__init__("; ".join(texts), hint)
        self.problems = list(problems)


class FileError(ThecalError):
    """A file from outside cannot be read, or is none of the kind that was asked for."""


class SimulationError(ThecalError):
    """The emulated pump did not start, died, or its bench refused."""


# what a person calls a request; the others by their names
REQUEST_WORDS = {"propose": "the proposal", "patient_bolus": "the patient's bolus"}

# refusal name -> (what it means, what to do). test_errors checks that every refusal has its line.
REFUSAL_TEXTS = {
    "fault_latched": ("a fault is latched", "see `thecal alarms`; then clear the fault and resume"),
    "self_test": ("its self test failed", "see `thecal alarms` and the log"),
    "annunciator": (
        "its alarm tone cannot be heard",
        "test it with `thecal alarms`; running therapy goes on",
    ),
    "still_present": ("what raised the alarm still stands", "see `thecal alarms`"),
    "no_alarm": ("there is no such alarm", "see `thecal alarms`"),
    "expired": ("the drug is past its stability", "check the date and the lot"),
    "pocket_fill": ("the last filling may lie beside the pump", "look at the patient, then record a refill"),
    "unknown_opcode": ("it does not know this request", "update its firmware"),
    "malformed": ("it could not read the request", "report this: it is a fault of thecal"),
    "no_session": (
        "it has no session with this host",
        "it restarted or another host took over: connect again",
    ),
    "protocol_mismatch": ("it speaks another protocol", "update its firmware or this program"),
    "no_proposal": (
        "it holds no proposal: it forgets one after 3 min without a word, and when an alarm sounds",
        "nothing was changed: say it again",
    ),
    "digest_mismatch": ("the digest is not that of the proposal it holds", "propose it again, then commit"),
    "out_of_range": (
        "a value is outside the pump's limits",
        "see `thecal limits`, and `thecal check` of a therapy",
    ),
    "inconsistent": ("values contradict each other", "see `thecal check`"),
    "too_large": ("there is more of it than the pump can hold", "make the therapy simpler or ask for less"),
    "not_programmed": ("it has no therapy", "program one with `thecal program`"),
    "stopped": ("delivery is stopped", "resume first with `thecal resume`"),
    "not_stopped": ("delivery is not stopped", "nothing was changed: there is nothing to resume"),
    "alarm": ("an alarm holds delivery", "see `thecal alarms`"),
    "bridge": ("a bridge bolus is running", "wait until it has ended"),
    "running": ("a bolus of this kind, or the patient's, is running", "wait until it has ended"),
    "lockout": ("the lockout since the last bolus, commit or refill has not passed", "wait and ask again"),
    "max_per_24h": ("the boluses allowed in 24 h have been given", "wait until the oldest is 24 h old"),
    "limit_24h": ("the dose limit over 24 h would be passed", "ask for less, or later"),
    "motor_speed": (
        "limits.max_rate is over half of what the board's motor follows with this step_volume",
        "lower limits.max_rate, or use a pump head with a larger step_volume",
    ),
    "max_rate": ("the rate would pass max_rate", "give it over a longer duration"),
    "reservoir": ("the reservoir does not hold enough", "refill first"),
    "not_prescribed": ("the therapy does not provide for it", "program a therapy that does"),
    "busy": ("it is occupied", "ask again in a moment"),
    "internal": ("its own check failed", "look at the log with `thecal log` and report this"),
    "drug_rule": ("a rule for this drug forbids it", "see `thecal check`"),
    "limit_1h": ("the dose limit over 1 h would be passed", "ask for less, or later"),
    "refill_first": (
        "the drugs are not those of the filling",
        "record the refill with `thecal refill` first",
    ),
    "running_therapy": ("a therapy is running", "a start delay is for a pump that runs none: leave it out"),
    "not_running": ("there is nothing of the kind to end", "see `thecal status`"),
    "implant_flag": ("the implant flag is not set", "say first that the pump is being implanted or revised"),
    "storage": ("its flash failed, so nothing was changed", "try again; if it stays, the pump needs service"),
    "append_only": ("records of the log are never deleted", "the oldest give way to new ones by themselves"),
    "library_differs": (
        "the running program was made with another drug library of the same version",
        "give your library a higher version and sign it again",
    ),
    "hard_limit": ("a hard limit of the drug library is passed", "see `thecal library show`"),
    "unauthenticated": ("it takes commands in sessions only", "report this: it is a fault of thecal"),
    "wrong_key": ("the key is not the one it has for this role", "pair anew with `thecal pair`"),
    "not_paired": ("it has no key for this role", "pair with `thecal pair`, a clinician first"),
    "slow_down": ("too many authentications failed", "wait so many seconds and say it again"),
    "session_expired": ("the session timed out", "connect again"),
    "stale_counter": ("it has had this frame before", "connect again; if it stays, somebody repeats frames"),
    "truncated_tag": ("a frame was cut short", "connect again; if it stays, somebody changes frames"),
    "not_authentic": (
        "a frame was not from this host",
        "connect again; if it stays, somebody changes frames",
    ),
    "wrong_role": ("this role may not do that", "use the key of a role that may: docs/reference/security.md"),
    "needs_button": (
        "nobody pressed its button for this",
        "nothing was changed: say it again, without --no-input, and press the button when asked",
    ),
    "pairing": ("it is computing the key", "ask again in a moment"),
    "too_many_sessions": (
        "this key has opened more sessions than the pump keeps in store: 60, and one more each minute",
        "wait so many seconds, and open one session for many questions",
    ),
    "over_budget": (
        "this key has asked more than the pump keeps in store: 20 000 requests, and 5 more each second",
        "nothing was changed; ask less often: to spare the battery it answers nobody for a moment",
    ),
    "bad_public_key": (
        "the public key is not safe to use",
        "pair anew; if it stays, somebody is on the line",
    ),
}


class BoardError(ThecalError):
    """A board's folder, or its build.toml, is not as it should be."""


class FlashError(ThecalError):
    """The firmware cannot be built for, or brought onto, a board."""
