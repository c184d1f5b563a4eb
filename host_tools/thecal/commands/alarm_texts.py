"""What every alarm means to a person: what has happened, what the pump does about it, what to do.

The pump's own table is `thecal_protocol.alarms.ALARMS`; a test checks that every alarm of it has its text
here, and docs/reference/alarms.md shows both. Imports nothing heavy.
"""

from typing import NamedTuple


class AlarmText(NamedTuple):
    """One alarm for people."""

    cause: str
    do: str


_UNKNOWN = AlarmText("an alarm that this thecal does not know", "use the thecal that came with the pump")
_HOLD = "delivery is held and goes on by itself once it has passed; what was missed is not made up for"
_SERVICE = "treat the patient by other means and have the pump replaced"

TEXTS: dict[str, AlarmText] = {
    "max_pause": AlarmText(
        "delivery has been stopped for longer than the therapy's max_pause",
        "resume it with `thecal resume`, or see to the patient's drug by other means",
    ),
    "log_failing": AlarmText(
        "what happens does not get onto the flash",
        "read the log with `thecal log` while it is in memory; if the alarm stays, the pump needs service",
    ),
    "storage": AlarmText(
        "the flash refuses writes: what is on record already is delivered, then delivery stops",
        "see to the patient's drug by other means; the pump needs service",
    ),
    "low_reservoir": AlarmText(
        "the reservoir is below the volume or the days that the therapy names",
        "refill soon, and record it with `thecal refill`",
    ),
    "empty_reservoir": AlarmText(
        "the counted volume has reached 0.5 mL: nothing flows",
        "refill and record it with `thecal refill`; with that, therapy goes on by itself",
    ),
    "motor_stall": AlarmText(
        f"steps were driven that the motor did not make (a strong magnetic field, an obstacle): {_HOLD}",
        "take the patient out of the field; if it stays for long, see to the drug by other means",
    ),
    "over_infusion": AlarmText(
        "more left the pump than its therapy allows: delivery has stopped",
        "look after the patient; read `thecal log --faults`; do not resume before the cause is known",
    ),
    "under_infusion": AlarmText(
        "less left the pump than its therapy calls for",
        "look for withdrawal; see what else is wrong with `thecal alarms` and `thecal log --faults`",
    ),
    "occlusion_downstream": AlarmText(
        f"the pressure behind the pump is high, as with a kinked catheter: {_HOLD}",
        "check the catheter; when it opens, what has built up may come at once",
    ),
    "occlusion_upstream": AlarmText(
        f"the pressure in front of the pump is low, as with an empty or collapsed reservoir: {_HOLD}",
        "check the reservoir; refill if it is empty",
    ),
    "temperature": AlarmText(
        "the pump is colder than 35 C or warmer than 40 C", "look for fever, a heat pad, a cold bath"
    ),
    "temperature_high": AlarmText(
        "the pump is warmer than 42 C: nothing flows",
        "cool the place; when it has passed, therapy goes on by itself",
    ),
    "sensor_fault": AlarmText(
        "a sensor is stuck, missing or shows what cannot be",
        "see `thecal status` for which; the pump needs service",
    ),
    "battery_eri": AlarmText(
        "the battery nears its end: 90 days from its first warning to the end of service",
        "plan the replacement of the pump now",
    ),
    "battery_eos": AlarmText("the battery is at its end: delivery has stopped", _SERVICE),
    "stopped_48h": AlarmText(
        "delivery has been stopped for more than 48 h",
        "resume it with `thecal resume`, or empty the pump and end its therapy",
    ),
    "annunciator": AlarmText(
        "the buzzer does not sound: alarms are shown here but cannot be heard",
        "watch the pump with `thecal monitor`; it takes no new start until the buzzer works",
    ),
    "self_test": AlarmText("a self test failed: nothing is delivered", _SERVICE),
    "memory": AlarmText(
        "a critical value in memory was damaged: delivery has stopped",
        "`thecal fault clear` starts the pump anew from its records; if it comes back, it needs service",
    ),
    "code": AlarmText("the firmware differs from what was built and checked", "flash the firmware again"),
    "repeated_fault": AlarmText(
        "the same fault came and went three times within 10 min: delivery has stopped",
        "find out what caused it (`thecal log --faults`) before `thecal fault clear`",
    ),
    "dose_guard": AlarmText(
        "the dose guard, which counts by itself, found more steps than therapy allows: delivery has stopped",
        "look after the patient; read `thecal log --faults`; the pump needs service",
    ),
    "fault": AlarmText(
        "the pump found itself at fault and stopped; the first reason is kept",
        "read `thecal log --faults`, then see `thecal fault show`",
    ),
    "refill_due": AlarmText(
        "the refill date or the end of the drug's stability has come",
        "refill, and record it with `thecal refill`",
    ),
    "refill_residual": AlarmText(
        "at the last refill the residual was more than 2 mL off the count",
        "check the flow and the catheter; see the trend with `thecal refill --show`",
    ),
    "pocket_fill": AlarmText(
        "less is in the reservoir than was injected: it may have gone beside the pump",
        "treat as an overdose under the skin; watch the patient now",
    ),
    "resets": AlarmText(
        "the pump was reset, or without power, three times within an hour; what each reset may have cost is "
        "on record",
        "see to its supply and to what stands in `thecal log --faults` before each restart",
    ),
    "records_format": AlarmText(
        "the records on its flash are another firmware's (storage format {detail}), and this could not take "
        "them over: it has no program and gives nothing; the log is readable",
        "install the firmware that wrote them, or program the pump; see to the patient's drug meanwhile",
    ),
}


def text_of(name: str) -> AlarmText:
    """The text of an alarm, by its name."""
    return TEXTS.get(name, _UNKNOWN)


def cause_of(name: str, detail: int) -> str:
    """What has happened, with the number that the alarm carries."""
    return text_of(name).cause.replace("{detail}", str(detail))
