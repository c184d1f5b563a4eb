"""Questions and commands about alarms, sensors, self tests and the reservoir: a part of `client`."""

from thecal.link.responses.alarms import (
    Alarms,
    Reservoir,
    Sensors,
    alarms_of,
    check_of,
    reservoir_of,
    self_test_of,
    sensors_of,
    standing_of,
)
from thecal.link.session import Session
from thecal_protocol.messages import (
    ALARM_CONFIRM,
    ALARM_SILENCE,
    ALARM_TEST,
    ALARMS_LIST,
    CLEAR_FAULT,
    RESERVOIR,
    SELF_TEST,
    SENSORS_READ,
    STATES,
)


class GuardClient:
    """Part of a Client: needs its session."""

    _session: Session

    def alarms(self) -> Alarms:
        """Every alarm that stands, and which one is announced."""
        pages = self._session.pages(ALARMS_LIST, "first", "alarms", "total")
        standing = [standing_of(entry) for page in pages for entry in page.group("alarms")]
        return alarms_of(pages[-1], standing)

    def confirm_alarm(self, number: int = 0) -> int:
        """Take note of an alarm (0: of all): it sounds no more until it is raised anew. How many it were."""
        return self._session.request(ALARM_CONFIRM, {"alarm": number}).number("confirmed")

    def silence_alarms(self) -> int:
        """No tone for a while: so many seconds."""
        return self._session.request(ALARM_SILENCE, {}).number("silent_s")

    def test_alarm(self, *, critical: bool) -> bool:
        """Sound the tone of a class; was it heard by the pump?"""
        return bool(self._session.request(ALARM_TEST, {"critical": int(critical)}).number("sounded"))

    def sensors(self) -> Sensors:
        """What the sensors said last."""
        return sensors_of(self._session.request(SENSORS_READ, {}))

    def self_test(self) -> tuple[str, int]:
        """Test itself now: "passed" or the first test that failed, and the microseconds it took."""
        return self_test_of(self._session.request(SELF_TEST, {}))

    def clear_fault(self) -> str:
        """Back from a latched fault, if the self test passes; the pump's state then."""
        reply = self._session.request(CLEAR_FAULT, {})
        return reply.name("state", STATES)

    def reservoir(self) -> Reservoir:
        """The reservoir, when it is due, and the last refills."""
        pages = self._session.pages(RESERVOIR, "first", "checks", "total")
        checks = [check_of(entry) for page in pages for entry in page.group("checks")]
        return reservoir_of(pages[-1], checks)
