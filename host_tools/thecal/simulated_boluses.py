"""What became of every bolus of a simulation: from the records of the pump's log.

Used by `thecal.simulate`. A request that the pump refused without a record of its own (a clinician's, which
is refused when it is proposed) is told by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from thecal.answers import Event
from wire.codec import name_of
from wire.messages import BOLUS_KINDS, REFUSALS


@dataclass
class Bolus:
    """One bolus, asked for or scheduled. `given_pl` None: not known (see `close`)."""

    kind: str  # clinician, patient, periodic, extended, prime, bridge
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

    def note(self, at_us: int, event: Event) -> None:
        """Take a record of the log."""
        if event.kind == "bolus_started":
            bolus = Bolus(kind_of(event.code), at_us, "running", dose_ng=event.a, duration_us=event.b)
            self._running[event.ref] = bolus
            self.all.append(bolus)
        elif event.kind in ("bolus_delivered", "bolus_cut_short"):
            kind = kind_of(event.code)
            self._given_pl[kind] = self._given_pl.get(kind, 0) + event.a
            bolus = self._running.pop(event.ref, None)
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

    def weigh(self, volume_pl_by_source: dict[str, int]) -> None:
        """What the running boluses have given by now: the ledger, less those of the kind that have ended.

        Of several running ones of the same kind it cannot tell: None.
        """
        for kind in {bolus.kind for bolus in self._running.values()}:
            running = [bolus for bolus in self._running.values() if bolus.kind == kind]
            source = next(name for _, name in BOLUS_KINDS if name.removesuffix("_bolus") == kind)
            given_pl = volume_pl_by_source.get(source, 0) - self._given_pl.get(kind, 0)
            for bolus in running:
                bolus.given_pl = given_pl if len(running) == 1 else None

    def cut(self, volume_pl_by_source: dict[str, int]) -> None:
        """The power goes: nothing runs on."""
        self.weigh(volume_pl_by_source)
        for bolus in self._running.values():
            bolus.outcome = "cut_short"
        self._running.clear()

    def booted(self, volume_pl_by_source: dict[str, int]) -> None:
        """The ledger at a moment when nothing runs: what later boluses give comes on top."""
        self._given_pl = {name.removesuffix("_bolus"): pl for name, pl in volume_pl_by_source.items()}
