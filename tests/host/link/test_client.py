"""What the client makes of a pump's answers: proposals read back, pages, names, refusals."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.link.fake_device import STATUS_VALUES, FakeLink, FakePump
from support.wire_values import TABLES, values_of
from thecal._io.shown import shown_all
from thecal.errors import LinkError, ReadbackMismatch, Refused
from thecal.link.client import Client
from thecal.link.proposals import PIECE, digest_of
from thecal.link.responses.pump import Filling, Limit
from thecal_protocol import messages
from thecal_protocol.codec import decode, encoded

KINDS = {kind: name for kind, name, _ in messages.PROPOSALS}


def pumped() -> tuple[FakePump, Client]:
    pump = FakePump()
    return pump, Client(FakeLink(pump))


@settings(max_examples=30)
@given(
    st.sampled_from(sorted(KINDS)).flatmap(
        lambda k: st.tuples(st.just(k), values_of(TABLES[f"{KINDS[k]} proposal"]))
    )
)
def test_a_proposal_goes_over_in_pieces_and_comes_back_equal(case: tuple[int, dict[str, Any]]):
    kind, values = case
    pump, client = pumped()
    proposal = client.propose(kind, values)
    assert proposal.reading == values
    assert proposal.digest == digest_of(kind, bytes(encoded(messages.proposal_fields(kind), values)))
    assert [(w.scheduled_ng, w.worst_ng) for w in proposal.worst_case_24h] == [(1, 2)]
    assert pump.carried_out == []
    committed = client.commit(proposal.digest)
    assert (committed.at.total_us, committed.ref) == (5_000_000, 0)
    assert decode(messages.proposal_fields(kind), pump.program, 0, len(pump.program)) == values
    if kind == messages.PROPOSAL_PROGRAM:
        with suppress(LinkError):  # most of these are such that no pump could run them (HOST-25)
            assert client.running_program() == shown_all(values)


def test_pieces_are_as_large_as_a_frame_allows():
    assert PIECE == 229


@pytest.mark.req("HOST-02")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda blob: bytes((blob[0] ^ 1,)) + blob[1:], "dose_ng: sent 10, read 11"),
        (lambda blob: blob + b"\0", "breaks the protocol: trailing bytes"),
        (lambda blob: blob[:-1], "breaks the protocol: truncated"),
    ],
)
def test_a_pump_that_reads_something_else_is_not_committed(spoil: Any, words: str):
    pump, client = pumped()
    pump.spoil = spoil
    with pytest.raises(ReadbackMismatch, match=words):
        client.propose_bolus(10, 20)
    assert pump.blob == b""  # withdrawn
    assert pump.carried_out == []


def test_a_digest_that_is_not_that_of_the_reading_is_refused():
    pump, client = pumped()
    pump.answers[messages.PROPOSE] = {"received": 17, "digest": bytes(16), "worst_case_24h": []}
    pump.blob = bytes(encoded(messages.BOLUS, {"dose_ng": 10, "duration_us": 20, "extended": 0}))
    with pytest.raises(ReadbackMismatch, match="its digest is another"):
        client.propose_bolus(10, 20)
    assert pump.blob == b""


def test_a_reading_that_is_not_what_was_sent_is_refused_whatever_its_digest():
    pump, client = pumped()
    other = bytes(encoded(messages.BOLUS, {"dose_ng": 11, "duration_us": 20, "extended": 0}))
    pump.answers[messages.READING] = {"total": len(other), "data": other}
    with pytest.raises(ReadbackMismatch, match="dose_ng: sent 10, read 11"):
        client.propose_bolus(10, 20)
    assert pump.blob == b""


def test_a_piece_that_did_not_arrive_whole_is_an_error():
    pump, client = pumped()
    pump.answers[messages.PROPOSE] = {"received": 3, "digest": b"", "worst_case_24h": []}
    with pytest.raises(LinkError, match="3 of 17 bytes received"):
        client.propose_bolus(10, 20)


def test_committing_something_else_is_refused():
    _, client = pumped()
    with pytest.raises(Refused) as caught:
        client.commit(bytes(16))
    assert (caught.value.name, caught.value.number, caught.value.opcode) == (
        "no_proposal",
        5,
        messages.COMMIT,
    )
    client.propose_bolus(1, 2)
    with pytest.raises(Refused, match="digest_mismatch"):
        client.commit(bytes(16))
    client.abort()
    with pytest.raises(Refused, match="no_proposal"):
        client.commit(bytes(16))


def test_proposals_have_their_own_methods():
    pump, client = pumped()
    client.propose_bolus(5, 6, extended=True)
    assert pump.blob == encoded(messages.BOLUS, {"dose_ng": 5, "duration_us": 6, "extended": 1})
    client.propose_clock(1, 2, 3)
    assert pump.blob == encoded(
        messages.CLOCK, {"absolute": 1, "day": 1, "second": 2, "us": 3, "offset_us": 0}
    )
    client.propose_clock_offset(-7)
    assert pump.blob == encoded(
        messages.CLOCK, {"absolute": 0, "day": 0, "second": 0, "us": 0, "offset_us": -7}
    )
    client.propose_refill(8, 9)
    assert pump.blob == encoded(
        messages.REFILL,
        {"volume_pl": 8, "residual_pl": 9, "lot": "", "expiry_day": 0, "checked": 0, "measured_pl": 0},
    )
    assert pump.kind == messages.PROPOSAL_REFILL


def test_no_program_is_none():
    pump, client = pumped()
    assert client.running_program() is None
    pump.answers[messages.PROGRAM] = {"total": 0, "data": b""}
    assert client.running_program() is None


def test_status_has_names_and_nones():
    pump, client = pumped()
    status = client.status()
    assert (status.state, status.bolus, status.next_change_s) == ("infusing", None, None)
    assert (status.now.total_us, status.steps) == (1_000_002, 2**40)
    pump.answers[messages.STATUS] = {**STATUS_VALUES, "state": 2, "bolus": 2, "next_change_s": 5}
    status = client.status()
    assert (status.state, status.bolus, status.next_change_s) == ("stopped", "patient_bolus", 5)
    pump.answers[messages.STATUS] = {**STATUS_VALUES, "state": 99}
    assert client.status().state == "unknown (99)"


class Paged(FakePump):
    """Answers the questions that come in pages, `page` entries at a time."""

    page = 2
    stuck = False

    def carry_out(self, opcode: int, values: dict[str, Any]) -> dict[str, Any]:
        if opcode == messages.LIMITS:
            found = [{"name": f"limit {n}", "low": n, "high": 2 * n} for n in range(5)]
            return {"total": 5, "limits": [] if self.stuck else found[values["first"] :][: self.page]}
        if opcode == messages.EVENTS:
            first = max(values["first"], 3)  # older ones are gone
            found = [
                {
                    "sequence": n,
                    "at_s": n,
                    "at_us": 0,
                    "kind": 1,
                    "actor": 0,
                    "code": 0,
                    "ref": 0,
                    "a": 0,
                    "b": 0,
                    "boot": 1,
                    "ring": 1,
                    "tag": bytes(16),
                }
                for n in range(first, min(10, values["last"] + 1))
            ][: min(self.page, values["count"])]
            return {"next": values["first"] if self.stuck else first + len(found), "events": found}
        if opcode == messages.ACCOUNTS:
            fillings = [
                {
                    "filling": n,
                    "steps": 10 * n,
                    "step_volume_pl": 2500,
                    "tip_pl": 0,
                    "missed": n,
                    "drugs": [{"name": "x", "concentration_ng_per_ml": n}],
                }
                for n in range(3)
            ]
            return {
                "steps": 30,
                "step_volume_pl": 2500,
                "reservoir_pl": 1,
                "missed_pl": 12,
                "resets": 0,
                "fillings_total": 3,
                "fillings": [] if self.stuck else fillings[values["first_filling"] :][: self.page],
                "sources": [{"source": 0, "volume_pl": 7}, {"source": 2, "volume_pl": 8}],
            }
        return super().carry_out(opcode, values)


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_pages_are_put_together(page: int):
    pump = Paged()
    pump.page = page
    client = Client(FakeLink(pump))
    assert client.limits() == [Limit(f"limit {n}", n, 2 * n) for n in range(5)]
    events = client.events(0)
    assert [event.sequence for event in events] == list(range(3, 10))
    assert (events[0].kind, events[0].actor) == ("boot", "pump")
    assert [event.sequence for event in client.events(8)] == [8, 9]
    assert client.events(10) == []
    accounts = client.accounts()
    assert [filling.steps for filling in accounts.fillings] == [0, 10, 20]
    assert isinstance(accounts.fillings[0], Filling)
    assert ([filling.missed for filling in accounts.fillings], accounts.missed_pl) == ([0, 1, 2], 12)
    assert accounts.volume_pl_by_source == {"basal": 7, "patient_bolus": 8}


@pytest.mark.parametrize("question", ["limits", "accounts"])
def test_pages_that_get_nowhere_are_an_error(question: str):
    pump = Paged()
    pump.stuck = True
    with pytest.raises(LinkError, match="an empty page"):
        getattr(Client(FakeLink(pump)), question)()


def test_a_log_that_does_not_advance_is_an_error():
    pump = Paged()
    pump.stuck = True
    with pytest.raises(LinkError, match="does not advance"):
        Client(FakeLink(pump)).events(4)


@pytest.mark.parametrize(
    ("answer", "words"),
    [({"total": 9, "data": b""}, "0 of 9 bytes"), ({"total": 1, "data": b"ab"}, "2 of 1 bytes")],
)
def test_blobs_that_do_not_add_up_are_an_error(answer: dict[str, Any], words: str):
    pump, client = pumped()
    pump.answers[messages.PROGRAM] = answer
    with pytest.raises(LinkError, match=words):
        client.running_program()
