"""Two-phase changes: a proposal arrives in pieces, is read back as the pump understood it, is committed
by digest.

Nothing that runs is touched before the commit, and the commit is one call that happens at one microsecond or
not at all (DEL-07, HOST-02). A new session forgets an unfinished proposal.
"""

import gc
import hashlib

from pump.records.changes import Changes
from pump.therapy import press
from pump.therapy.bounds import Refused
from pump.therapy.prescription import Prescription
from pump.therapy.worst_case import worst_case_24h
from pump.units import S_PER_DAY, US_PER_S
from thecal_protocol import codec, messages
from thecal_protocol import events as event

MAX_PROPOSAL = 6144
DIGEST_SIZE = 16
_PROGRAMS = (messages.PROPOSAL_PROGRAM, messages.PROPOSAL_REFILL_AND_PROGRAM)


def _refill_fields():
    return messages.proposal_fields(messages.PROPOSAL_REFILL)


def digest_of(kind: int, canonical) -> bytes:
    """What names a proposal: SHA-256 of its kind and canonical bytes, first 16 bytes."""
    sha = hashlib.sha256(bytes([kind]))
    sha.update(canonical)
    return sha.digest()[:DIGEST_SIZE]


class Proposals:
    """At most one proposal at a time: being received, or complete and awaiting its commit."""

    def __init__(self, controller, bounds, persistence, supervisor):
        self._supervisor = supervisor
        self._controller = controller
        self._persistence = persistence
        self._bounds = bounds
        self.write_log = None  # brings to flash what was noted (pump.link.commands)
        self.program_digest = (
            digest_of(messages.PROPOSAL_PROGRAM, persistence.program) if persistence.program else b""
        )
        self.forget()

    def forget(self) -> None:
        self.kind = 0
        self._buffer = b""  # of a proposal's size, while there is one
        self._received = 0
        self._total = 0
        self.digest = b""
        self.canonical = b""
        self._values = None
        self._prescription = None
        self._refill = None  # of a program that comes with one

    def receive(self, values, s: int, us: int):
        """One piece: the answer of PROPOSE. Pieces come in order; offset 0 begins anew."""
        offset = values["offset"]
        data = values["data"]
        if offset == 0:
            self._begin(values)
        if self.kind != values["kind"] or self._total != values["total"] or offset != self._received:
            self.forget()
            raise Refused("inconsistent", "offset")
        end = offset + len(data)
        if end > self._total or self.digest:
            self.forget()
            raise Refused("inconsistent", "total")
        self._buffer[offset:end] = data
        self._received = end
        worst = []
        if end == self._total:
            if self.kind in _PROGRAMS:
                self._persistence.fill_queue()  # to check it takes long
            try:
                worst = self._read(s, us)
            except (Refused, codec.WireError):
                self.forget()
                raise
            except MemoryError:  # nothing of it has been put to use
                self.forget()
                raise Refused("internal", "memory")
        return {"received": end, "digest": self.digest, "worst_case_24h": worst}

    def _begin(self, values) -> None:
        """The first piece: room for all of them, in one piece."""
        self.forget()
        gc.collect()
        if values["total"] > MAX_PROPOSAL:
            raise Refused("too_large", str(MAX_PROPOSAL))
        try:
            self._buffer = bytearray(values["total"])
        except MemoryError:
            raise Refused("internal", "memory")
        self.kind = values["kind"]
        self._total = values["total"]

    def _read(self, s: int, us: int):
        """Understand the whole proposal, or refuse it; its worst-case doses when it is a program."""
        fields = messages.proposal_fields(self.kind)
        values = codec.decode(fields, self._buffer, 0, self._total)
        worst = []
        if self.kind in _PROGRAMS:
            if self.kind == messages.PROPOSAL_REFILL_AND_PROGRAM:
                self._check_refill(values)
                self._refill = {name: values[name] for name, _ in _refill_fields()}
            self._prescription = Prescription(values, self._bounds)
            self._controller.breathe()
            self._controller.check_program(self._prescription, s, us, self._refill)
            self._controller.breathe()
            for scheduled, most in worst_case_24h(self._prescription):
                worst.append({"scheduled_ng": scheduled, "worst_ng": most})
        elif self.kind == messages.PROPOSAL_BOLUS:
            self._controller.boluses.check_clinician(values, s, us)
        elif self.kind == messages.PROPOSAL_CLOCK:
            self._check_clock(values)
            self._controller.check_clock(values, s, us)
        elif self.kind == messages.PROPOSAL_REFILL:
            self._check_refill(values)
        elif self.kind == messages.PROPOSAL_PRIME:
            self._controller.check_prime(values, s, us)
        else:
            raise Refused("unknown_opcode", "kind")
        self._values = values
        size = codec.encode(fields, values, self._buffer, 0, self._total)  # the pieces are needed no more
        for name in self._refill or ():
            del values[name]  # what is left is the program's
        self.canonical = memoryview(self._buffer)[:size]
        if self._prescription is not None:
            self._prescription.forget_steps()
        self.digest = digest_of(self.kind, self.canonical)
        return worst

    def _check_refill(self, values) -> None:
        self._controller.check_refill(values)
        self._supervisor.check_refill(values, self.kind == messages.PROPOSAL_REFILL_AND_PROGRAM)

    def _check_clock(self, values) -> None:
        """Either a local time, or an offset: what is not used is 0."""
        if values["absolute"] > 1 or values["second"] >= S_PER_DAY or values["us"] >= US_PER_S:
            raise Refused("out_of_range", "clock")
        unused = values["offset_us"]
        if not values["absolute"]:
            unused = values["day"] or values["second"] or values["us"]
        if unused:
            raise Refused("inconsistent", "clock")

    def needs_press(self, digest) -> bool:
        """Does the commit of this digest need a press of the pump's button: of a prime, or of whatever brings
        a program that loosens the running one?"""
        if digest != self.digest:
            return False  # the commit is refused
        if self._prescription is None:
            return self.kind == messages.PROPOSAL_PRIME
        return press.needed(self._controller.prescription, self._prescription)

    def commit(self, digest, s: int, us: int) -> int:
        """Carry out the proposal with this digest, once; the number of the bolus it started, or 0."""
        if not self.digest:
            raise Refused("no_proposal", "")
        if digest != self.digest:
            raise Refused("digest_mismatch", "")
        ref = 0
        controller = self._controller
        if self.kind in _PROGRAMS:
            self._commit_program()
        elif self.kind == messages.PROPOSAL_BOLUS:
            ref = controller.boluses.start_clinician(self._values, s, us)
        elif self.kind == messages.PROPOSAL_PRIME:
            ref = controller.prime(self._values, s, us)
        elif self.kind == messages.PROPOSAL_REFILL:
            before = controller.reservoir_fills.as_values()
            controller.refill(self._values, s, us)
            self._persistence.keep_refill(before)
            self._supervisor.reservoir.show()
        else:
            controller.set_clock(s, us, self._values)
        self.forget()
        return ref

    def _commit_program(self) -> None:
        """The program, and the refill that comes with it: both with the one save that names the program."""
        gc.collect()
        refill = self._refill
        at = codec.size(_refill_fields(), refill) if refill else 0
        program = bytes(self.canonical[at:])
        before = self._persistence.program
        self._persistence.commit_program(program, self._switch)
        self._tell_changes(before, program)
        self.program_digest = digest_of(messages.PROPOSAL_PROGRAM, program)
        if refill:
            self._supervisor.reservoir.show()

    def _tell_changes(self, before, program) -> None:
        """What is another than before, onto the log (REC-09). The program runs, whatever becomes of this."""
        log = self._controller.log
        ref = self._controller.committed_ref
        gc.collect()
        try:
            Changes(log, ref, self.write_log, self._controller.breathe).tell(before, program)
        except (Refused, MemoryError):
            log.note(event.PROGRAM_FIELD, 0, ref, 0, 0)

    def _switch(self, s: int, us: int) -> None:
        self._controller.commit(self._prescription, s, us, self._refill)
