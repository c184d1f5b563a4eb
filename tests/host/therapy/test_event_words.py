"""Every kind of record of the pump's log in words, not in bare numbers."""

import pytest

from thecal.eventlog.describe import WORDS
from thecal.eventlog.text import details
from thecal.link.responses.pump import Event, Instant
from thecal_protocol.messages import EVENT_KINDS

# Kinds that say nothing beyond themselves.
BARE = {"resumed", "implant_flag_set", "bridge_skipped"}
# Their code names a part of the firmware's records or memory: storage.md, pump/safety/critical.py.
CODES = {"records_distrusted", "value_damaged"}


def event(kind: str, code: int = 0, ref: int = 0, a: int = 0, b: int = 0) -> Event:
    return Event(1, Instant(0, 0), kind, "pump", code, ref, a, b)


def test_no_kind_is_left_out():
    assert set(WORDS) | BARE | CODES == {name for _, name in EVENT_KINDS}
    assert not set(WORDS) & (BARE | CODES)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (event("stopped"), "until it is resumed"),
        (event("stopped", a=1200), "for 20 min"),
        (event("session_ended", code=1, ref=7), "session 7: idle"),
        (event("refilled", a=40_000_000_000, b=3_100_000_000), "40 mL in, 3.1 mL had come out"),
        (
            event("refill_measured", code=1, a=40_000_000_000, b=38_000_000_000),
            "40 mL injected, 38 mL found right after: it may be beside the pump",
        ),
        (
            event("refill_checked", code=1, a=3_000_000_000, b=6_000_000_000),
            "off: 3 mL counted, 6 mL measured",
        ),
        (event("delivery_held", code=9, b=2), "by occlusion downstream: no flow"),
        (event("fault", code=1), "the motor's count and the prescription came apart"),
        (event("fault", code=7), "over infusion"),
        (event("sensor_failed", code=2, ref=3), "battery: stuck"),
        (event("clock_set", a=3_600_000_000, b=1), "back by 1 h"),
        (event("paired", code=3, b=1), "clinician, an older key is revoked"),
        (event("authentication_failed", code=2, ref=4, b=49), "patient: session expired, 4 in a row"),
        (event("self_tested", code=7), "battery failed"),
        (event("woken_late", a=2_500_000), "by 2.5 s"),
        (event("plan_step", ref=0, a=4_500_000), "step 1: 4.5 mg/day"),
        (event("restored", code=1, ref=2, a=300), "after reset 2, 300 steps on the ledger, exactly"),
        (event("alarm_raised", code=250), "unknown (250)"),  # of a newer pump
        (event("value_damaged", code=3), "code 3, a 0, b 0"),
    ],
)  # fmt: skip
def test_what_a_record_says(record: Event, says: str):
    assert details(record) == says
