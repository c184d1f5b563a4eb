"""What became of every bolus of a simulation: from the records of the pump's log.

A request that the pump refused without a record of its own (a clinician's, which is refused when it is
proposed) is told by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from thecal.link.responses.pump import Event
from thecal_protocol.codec import name_of
from thecal_protocol.messages import BOLUS_KINDS, REFUSALS

_BRIDGE = "bridge"


@dataclass
class Bolus:
    """One bolus, asked for or scheduled. `given_pl` None: not known (`weigh`, `cut`)."""

    kind: str  # `kind_of`
    at_us: int
    outcome: str  # delivered, refused, cut_short, running
    reason: str | None = None  # of a refusal
    given_pl: int | None = 0
    dose_ng: int = 0
    duration_us: int = 0


def kind_of(code: int) -> str:
    """The short name of a bolus kind: "patient" for patient_bolus."""
    return name_of(BOLUS_KINDS, code).removesuffix("_bolus")


class Boluses:
    """The boluses so far, in the order of the log."""

    def __init__(self) -> None:
        self.all: list[Bolus] = []
        self._running: dict[int, Bolus] = {}  # by the number that ties their records together
        self._given_pl: dict[str, int] = {}  # by kind: the ledger, less what the running ones gave
        self._weighed_us = -1  # when the running ones were weighed last

    def note(self, at_us: int, event: Event) -> None:
        """Take a record of the log."""
        if event.kind == "bolus_started":
            bolus = Bolus(kind_of(event.code), at_us, "running", dose_ng=event.a, duration_us=event.b)
            self._running[event.ref] = bolus
            self.all.append(bolus)
        elif event.kind in ("bolus_delivered", "bolus_cut_short"):
            kind = kind_of(event.code)
            self._given_pl[kind] = self._given_pl.get(kind, 0) + event.a
            bolus = self._running.pop(event.ref, None) or self._bridge_of_before(kind)
            if bolus is not None:
                bolus.outcome = event.kind.removeprefix("bolus_")
                bolus.given_pl = event.a
        elif event.kind == "bolus_refused":
            reason = name_of(REFUSALS, event.b)
            self.all.append(Bolus(kind_of(event.code), at_us, "refused", reason, dose_ng=event.a))

    def refused(self, kind: str, at_us: int, reason: str, known: int) -> None:
        """The client was refused a bolus; `known`: how many boluses there were before it asked."""
        if not any(bolus.kind == kind and bolus.outcome == "refused" for bolus in self.all[known:]):
            self.all.append(Bolus(kind, at_us, "refused", reason))

    def weigh(self, at_us: int, volume_pl_by_source: Mapping[str, int]) -> None:
        """What the running boluses have given by now: the ledger, less those of the kind that have ended.

        Of several running ones of the same kind it cannot tell: None.
        """
        self._weighed_us = at_us
        for kind in {bolus.kind for bolus in self._running.values()}:
            running = [bolus for bolus in self._running.values() if bolus.kind == kind]
            given_pl = volume_pl_by_source.get(_source(kind), 0) - self._given_pl.get(kind, 0)
            for bolus in running:
                bolus.given_pl = given_pl if len(running) == 1 else None

    def cut(self, at_us: int) -> None:
        """A reset: nothing runs on but a bridge, which the pump takes up again from its records.

        What the others gave is known if they were weighed at this very instant.
        """
        for ref, bolus in list(self._running.items()):
            if bolus.kind != _BRIDGE:
                bolus.outcome = "cut_short"
                bolus.given_pl = bolus.given_pl if self._weighed_us == at_us else None
                del self._running[ref]

    def booted(self, volume_pl_by_source: Mapping[str, int]) -> dict[str, int]:
        """The ledger of a pump that has just booted: what boluses give from now on comes on top.

        How much more than it shows each source gave in the lives before, of which it knows no more.
        """
        bridged = self._bridge_running() is not None
        self._given_pl = {name.removesuffix("_bolus"): pl for name, pl in volume_pl_by_source.items()}
        if bridged:
            self._given_pl[_BRIDGE] = 0
        before: dict[str, int] = {}
        for bolus in (bolus for bolus in self.all if bolus.outcome != "running"):
            source = _source(bolus.kind)
            before[source] = before.get(source, 0) + (bolus.given_pl or 0)
        more = {source: pl - volume_pl_by_source.get(source, 0) for source, pl in before.items()}
        return {source: pl for source, pl in more.items() if pl > 0}

    def _bridge_running(self) -> int | None:
        return next((ref for ref, bolus in self._running.items() if bolus.kind == _BRIDGE), None)

    def _bridge_of_before(self, kind: str) -> Bolus | None:
        """The bridge that a life before began: the one that ends now may have another number."""
        ref = self._bridge_running() if kind == _BRIDGE else None
        return None if ref is None else self._running.pop(ref)


def _source(kind: str) -> str:
    return next(name for _, name in BOLUS_KINDS if name.removesuffix("_bolus") == kind)
