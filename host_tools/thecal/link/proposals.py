"""Proposals: sent in pieces, read back, and proved to be what the pump understood."""

import hashlib

from thecal.errors import LinkError, ReadbackMismatch, Refused
from thecal.link.responses.program import plausible
from thecal.link.responses.pump import Proposal, Reply, WorstCase, malformed
from thecal.link.session import Session, no_value
from thecal_protocol import framing
from thecal_protocol.codec import WireError, encoded, name_of, size
from thecal_protocol.messages import (
    ABORT,
    MESSAGES,
    PROGRAM,
    PROPOSAL_PROGRAM,
    PROPOSE,
    READING,
    proposal_fields,
    request_fields,
)

PIECE = framing.MAX_PAYLOAD - size(request_fields(PROPOSE), {"kind": 0, "total": 0, "offset": 0, "data": b""})
DIGEST_SIZE = 16
MOST_BLOB_BYTES = 16_384  # of a program or a reading; no pump takes one of more than 6,144
_LEAST_PIECE = 32  # bytes of a blob that come at once, but for the last ones


def propose(session: Session, kind: int, values: dict[str, object]) -> Proposal:
    """Send a proposal in pieces and check what the pump understood.

    Refused: the pump refuses it. ReadbackMismatch: what it read is not what was sent; it was withdrawn.
    Nothing changes until `commit` of the proposal's digest.
    """
    try:
        blob = bytes(encoded(proposal_fields(kind), values))
    except WireError as error:
        raise no_value("propose", error) from None
    reply = Reply("propose", {})
    for offset in range(0, len(blob), PIECE):
        piece = blob[offset : offset + PIECE]
        request: dict[str, object] = {"kind": kind, "total": len(blob), "offset": offset, "data": piece}
        reply = session.request(PROPOSE, request)
        if reply.number("received") != offset + len(piece):
            raise malformed("propose", f"{reply.number('received')} of {offset + len(piece)} bytes received")
    reading = _read_blob(session, READING)
    digest = reply.data("digest")
    if reading != blob or digest != digest_of(kind, blob):
        session.request(ABORT, {})
        raise ReadbackMismatch(
            f"the pump did not read what was sent ({_difference(kind, values, reading)})",
            "nothing was changed; try again, and report this if it stays",
        )
    worst = [WorstCase(w.number("scheduled_ng"), w.number("worst_ng")) for w in reply.group("worst_case_24h")]
    read = _decoded("reading", kind, reading, verbatim=True)  # it is what was sent
    return Proposal(kind, digest, read, tuple(worst))


def running_program(session: Session) -> dict[str, object] | None:
    """The therapy the pump runs, by `thecal_protocol.therapy.THERAPY`; None when it was never programmed."""
    try:
        blob = _read_blob(session, PROGRAM)
    except Refused as refused:
        if refused.name == "not_programmed":
            return None
        raise
    return plausible(_decoded("program", PROPOSAL_PROGRAM, blob)) if blob else None


def _read_blob(session: Session, opcode: int) -> bytes:
    request = name_of(MESSAGES, opcode)
    blob = b""
    while True:
        reply = session.request(opcode, {"offset": len(blob)})
        piece = reply.data("data")
        blob += piece
        if len(blob) == reply.number("total"):
            return blob
        if len(piece) < _LEAST_PIECE or len(blob) > min(reply.number("total"), MOST_BLOB_BYTES):
            raise malformed(request, f"{len(blob)} of {reply.number('total')} bytes")


def refill_values(
    volume_pl: int,
    residual_pl: int,
    *,
    lot: str = "",
    expiry_day: int | None = None,
    measured_pl: int | None = None,
) -> dict[str, object]:
    """A refill as `thecal_protocol.therapy.REFILL`."""
    return {
        "volume_pl": volume_pl,
        "residual_pl": residual_pl,
        "lot": lot,
        "expiry_day": expiry_day or 0,
        "checked": int(measured_pl is not None),
        "measured_pl": measured_pl or 0,
    }


def digest_of(kind: int, blob: bytes) -> bytes:
    """The digest of a proposal: what `commit` names."""
    return hashlib.sha256(bytes((kind,)) + blob).digest()[:DIGEST_SIZE]


def _decoded(request: str, kind: int, blob: bytes, *, verbatim: bool = False) -> dict[str, object]:
    return Reply.decoded(request, proposal_fields(kind), blob, verbatim=verbatim).values


def _difference(kind: int, sent: dict[str, object], reading: bytes) -> str:
    """The first field that the pump read differently."""
    try:
        read = _decoded("reading", kind, reading, verbatim=True)
    except LinkError as error:
        return str(error.message)
    for name, value in sent.items():
        if read[name] != value:
            return f"{name}: sent {value!r}, read {read[name]!r}"
    return "its digest is another"
