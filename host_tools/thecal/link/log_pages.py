"""The pump's log, page by page."""

from itertools import pairwise

from thecal.link.responses.pump import Event, event_of, malformed
from thecal.link.session import Session
from thecal_protocol.messages import EVENTS

MOST_RECORDS = 20_480  # half as many again as the largest log of a pump (docs/reference/event-log.md)
_MOST_EVENTS = 255
_FEW = 3  # records: a page has at least so many, but for the last ones,
_NEARLY_EMPTY = 200  # of which there are some where records are added meanwhile


def events(session: Session, first: int, last: int, count: int | None, ring: int) -> list[Event]:
    """Records from number `first` to `last`, at most `count`, oldest first. `ring`: 0 for all."""
    events: list[Event] = []
    pages = 0
    while count is None or len(events) < count:
        most = _MOST_EVENTS if count is None else min(_MOST_EVENTS, count - len(events))
        request: dict[str, object] = {"first": first, "last": last, "count": most, "ring": ring}
        reply = session.request(EVENTS, request)
        page = [event_of(entry) for entry in reply.group("events")]
        if not page:
            break
        numbers = [first - 1, *(event.sequence for event in page), reply.number("next")]
        if any(before >= after for before, after in pairwise(numbers)) or page[-1].sequence > last:
            raise malformed("events", f"it does not advance: records out of order from {first} on")
        events += page
        pages += 1
        if pages * _FEW > len(events) + _NEARLY_EMPTY:
            raise malformed("events", f"{len(events)} records on {pages} pages: a pump fills its pages")
        if len(events) > MOST_RECORDS:
            raise malformed("events", f"more than {MOST_RECORDS} records: no pump keeps so many")
        first = reply.number("next")
    return events
