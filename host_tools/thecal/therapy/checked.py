"""A therapy that was judged: what everything after the judging takes, and nothing judges again.

Made by `thecal.therapy.judge` alone. All that a later step needs of a rule or of the drug library was worked
out there and stands here: the encoder, reviews and simulations load neither. Nothing here changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from thecal.errors import Problem
from thecal.therapy.bridge import Bridge
from thecal.therapy.figures import Figures
from thecal.therapy.models import DoseLimits, Therapy
from thecal.therapy.settings_diff import Change
from thecal_protocol.codec import number_of
from thecal_protocol.therapy import SOFT_LIMITS


@dataclass(frozen=True)
class SoftLimit:
    """A soft limit of the library that a therapy passes: `what` of SOFT_LIMITS, both values in its unit."""

    drug: int  # from 0
    what: str
    value: int
    limit: int
    field: str
    message: str

    def as_wire(self) -> dict[str, object]:
        """An entry of `confirmed`."""
        what = number_of(SOFT_LIMITS, self.what)
        return {"drug": self.drug, "what": what, "value": self.value, "limit": self.limit}


@dataclass(frozen=True)
class LibrarySection:
    """What a program says of the drug library that it was judged with, and of each of its drugs (HOST-05)."""

    version: int
    digest: bytes  # its first 8 bytes
    drugs: tuple[Mapping[str, int], ...]  # hard limits and rules, as on the wire


@dataclass(frozen=True)
class CheckedChange:
    """What follows from the program that a therapy replaces. With any of the `errors` no program is made of
    it: only a simulation sends it all the same, to see the pump refuse."""

    running: Mapping[str, Any]  # thecal_protocol.therapy.THERAPY
    old_ng_per_ml: int  # concentration of the filling that a bridge has to give
    bridge_ng_per_day: int  # the dose at which it is given
    bridge: Bridge | None  # the one asked for, or (`asked` false) the one that it would need
    settings: tuple[Change, ...]  # every setting, old and new
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    soft_limits: tuple[SoftLimit, ...]


@dataclass(frozen=True)
class CheckedTherapy:
    """A therapy and all that was found out about it, judged with the drug library in use."""

    model: Therapy
    limits: tuple[DoseLimits, ...]  # per drug: its own, and never above the library's hard limit
    library: LibrarySection
    figures: Figures | None  # None: never of a sound one
    own_warnings: tuple[Problem, ...]
    own_soft_limits: tuple[SoftLimit, ...]
    first_dose: Problem | None  # a warning for a pump that runs nothing yet
    stable_days: int | None  # how long its filling keeps, by the library
    change: CheckedChange | None = None  # None: not (yet) held against a running program

    @property
    def name(self) -> str:
        """What the file calls it."""
        return self.model.name

    @property
    def soft_limits(self) -> list[SoftLimit]:
        """Those that it passes: each needs a confirmation (HOST-03, SEC-12)."""
        return [*self.own_soft_limits, *(self.change.soft_limits if self.change else ())]

    @property
    def warnings(self) -> list[Problem]:
        """What to look at twice, soft limits first."""
        soft = [Problem(limit.field, limit.message) for limit in self.soft_limits]
        return [*soft, *self.own_warnings, *(self.change.warnings if self.change else ())]
