"""`thecal alarms` and `thecal fault`: confirm, silence, test, clear. What stands is `alarm_view`'s.

A confirmation takes note and never clears a condition (ALM-04).
"""

from __future__ import annotations

from thecal.commands import going_on
from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.link.responses.alarms import Alarms
from thecal.link.uncertain_delivery import certain_delivery
from thecal.units.amounts import span_text
from thecal.units.json_numbers import SCHEMA
from thecal_protocol.alarms import ALARMS


def confirm(client: Client, name: str) -> dict[str, object]:
    """Take note of one alarm, or of "all"."""
    numbers = {row[1]: row[0] for row in ALARMS} | {"all": 0}
    if name not in numbers:
        standing = ", ".join(alarm.name for alarm in client.alarms().standing)
        hint = f"those that stand: {standing}; or say all" if standing else "none stands now"
        raise ThecalError(f"there is no alarm {name!r}", hint)
    count = certain_delivery(client, "the confirmation", lambda: client.confirm_alarm(numbers[name]))
    left = client.alarms()
    still = [alarm.name for alarm in left.standing if alarm.live]
    text = f"{'Confirmed' if count is None else f'{count} confirmed'}. "
    text += f"What still holds: {', '.join(still)}." if still else "Nothing holds any more."
    return {"schema": SCHEMA, "confirmed": count, "standing": still, "text": text}


def silence(client: Client) -> dict[str, object]:
    """Silence for as long as the pump allows."""
    stands = bool(client.alarms().standing)
    silent_s = certain_delivery(client, "the silence", client.silence_alarms)
    text = (
        "The pump keeps silent." if silent_s is None else f"The pump keeps silent for {span_text(silent_s)}."
    )
    if not stands:
        text = f"No alarm stands. {text[:-1]} should one be raised."
    return {"schema": SCHEMA, "silent_s": silent_s, "text": text}


def test(client: Client, *, critical: bool) -> dict[str, object]:
    """Sound a tone; whether the buzzer was heard by its own feedback."""
    sounded = client.test_alarm(critical=critical)
    tone = "two-tone of critical alarms" if critical else "single tone of noncritical alarms"
    text = f"The {tone} sounded." if sounded else f"The {tone} was NOT heard by the buzzer's feedback."
    return {"schema": SCHEMA, "critical": critical, "sounded": sounded, "text": text}


def need_fault(alarms: Alarms) -> str:
    """The fault that is latched. ThecalError: none is, so nobody need be asked whether to clear it."""
    if alarms.fault is None:
        raise ThecalError("no fault is latched, so there is nothing to clear", "see `thecal alarms`")
    return alarms.fault


def clear_fault(client: Client) -> dict[str, object]:
    """The one way back from a fatal fault."""
    before = need_fault(client.alarms())
    state = certain_delivery(client, "clearing the fault", client.clear_fault) or client.status().state
    text = f"{before} is cleared: {going_on.words(state)}"
    return {"schema": SCHEMA, "cleared": before, "state": state, "text": text}
