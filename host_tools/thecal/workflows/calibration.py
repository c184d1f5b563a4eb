"""What one motor step displaces, from steps that were counted and fluid that was weighed.
docs/howto/workflows.md.

    V_i = b m_i / (rho N_i)            b = (1 - a / 8 g/mL) / (1 - a / rho), the air's buoyancy, a = 1.2 mg/mL
    (u_i / V_i)^2 = (u_m / m_i)^2 + (1 / (sqrt(3) N_i))^2             balance; the count, to one step
    V = sum(w_i V_i) / sum(w_i), w_i = 1 / u_i^2
    u^2 = max(1 / sum(w_i), scatter) + (V u_rho / rho)^2,  scatter = sum(w_i (V_i - V)^2) / ((n - 1) sum(w_i))

U = 2 u. The density is common to all runs, so it is added once. Volumes in pL, masses in ng, densities in
ng/mL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from thecal.errors import ThecalError
from thecal.therapy.limits import STEP_VOLUME
from thecal.units.amounts import (
    PL_PER_ML,
    count_text,
    density_text,
    fixed_text,
    mass_text,
    rounded_text,
    volume_text,
)

_AIR_NG_PER_ML = 1_200_000
_WEIGHTS_NG_PER_ML = 8_000_000_000
_FEW_STEPS = 1000
_SHARE = 10  # an uncertainty above a tenth of its amount is a slip of the unit


@dataclass(frozen=True)
class Run:
    """Steps that were made, and what they weighed."""

    steps: int
    mass_ng: int


@dataclass(frozen=True)
class Calibration:
    """The step volume with its expanded uncertainty (k = 2)."""

    step_volume_pl: int
    uncertainty_pl: float
    runs_pl: tuple[float, ...]
    set_pl: int | None

    @property
    def differs(self) -> bool:
        """Whether the volume that is set lies outside the uncertainty."""
        return self.set_pl is not None and abs(self.step_volume_pl - self.set_pl) > self.uncertainty_pl

    def words(self) -> list[str]:
        """Result and recommendation."""
        percent = 100 * self.uncertainty_pl / self.step_volume_pl
        lines = [f"run {number}: {fixed_text(pl, 1)} pL a step" for number, pl in enumerate(self.runs_pl, 1)]
        lines.append(
            f"step volume {volume_text(self.step_volume_pl)}, "
            f"uncertainty {fixed_text(self.uncertainty_pl, 1)} pL ({rounded_text(percent, 2)} %, k = 2)"
        )
        if self.set_pl is None:
            return [*lines, f'in the therapy file: step_volume = "{volume_text(self.step_volume_pl)}"']
        apart = rounded_text(100 * (self.step_volume_pl / self.set_pl - 1), 3, "+")
        lines.append(f"set is {volume_text(self.set_pl)}: the flow is {apart} % off what is counted")
        if not 0.5 < self.step_volume_pl / self.set_pl < 2:
            lines.append("ATTENTION: more than twofold. Check the units of the mass before you believe it.")
        if self.differs:
            lines.append(f'in the therapy file: step_volume = "{volume_text(self.step_volume_pl)}"')
        else:
            lines.append("the difference lies within the uncertainty: keep what is set")
        return lines

    def as_json(self) -> dict[str, object]:
        """The document of `thecal calibrate`."""
        return {
            "schema": 1,
            "step_volume_pl": self.step_volume_pl,
            "uncertainty_pl": self.uncertainty_pl,
            "runs_pl": list(self.runs_pl),
            "set_pl": self.set_pl,
            "change_it": None if self.set_pl is None else self.differs,
        }


def check_density(density_ng_per_ml: int) -> None:
    """ThecalError: no fluid for a pump has it."""
    if not 500_000_000 <= density_ng_per_ml <= 2_000_000_000:
        raise ThecalError("no drug's solution has this density", 'water of 20 C has "0.9982 g/mL"')


def _check_uncertainties(
    runs: Sequence[Run], density_ng_per_ml: int, mass_uncertainty_ng: int, density_uncertainty_ng_per_ml: int
) -> None:
    """ThecalError: one that is a slip of its unit."""
    for run in runs:
        if mass_uncertainty_ng * _SHARE > run.mass_ng:
            raise ThecalError(
                f"an uncertainty of {mass_text(mass_uncertainty_ng)} is over a tenth of what was weighed, "
                f"{mass_text(run.mass_ng)}",
                "check its unit, or weigh more",
            )
    if density_uncertainty_ng_per_ml * _SHARE > density_ng_per_ml:
        raise ThecalError(
            f"an uncertainty of {density_text(density_uncertainty_ng_per_ml)} is over a tenth of the "
            f"density, {density_text(density_ng_per_ml)}",
            "check its unit",
        )


def calibrate(
    runs: Sequence[Run],
    density_ng_per_ml: int,
    *,
    mass_uncertainty_ng: int,
    density_uncertainty_ng_per_ml: int,
    set_pl: int | None,
) -> Calibration:
    """The step volume of all runs together. ThecalError: what was entered cannot be."""
    for run in runs:
        if run.steps < _FEW_STEPS:
            raise ThecalError(
                f"{count_text(run.steps)} steps are too few to weigh",
                f"let the pump make {count_text(_FEW_STEPS)} or more",
            )
    check_density(density_ng_per_ml)
    _check_uncertainties(runs, density_ng_per_ml, mass_uncertainty_ng, density_uncertainty_ng_per_ml)
    buoyancy = (1 - _AIR_NG_PER_ML / _WEIGHTS_NG_PER_ML) / (1 - _AIR_NG_PER_ML / density_ng_per_ml)
    volumes = [buoyancy * run.mass_ng * PL_PER_ML / density_ng_per_ml / run.steps for run in runs]
    errors = [
        volume * math.hypot(mass_uncertainty_ng / run.mass_ng, 1 / (math.sqrt(3) * run.steps))
        for volume, run in zip(volumes, runs, strict=True)
    ]
    weights = [1 / error**2 for error in errors]
    mean = sum(w * v for w, v in zip(weights, volumes, strict=True)) / sum(weights)
    square = 1 / sum(weights)
    if len(runs) > 1:
        scatter = sum(w * (v - mean) ** 2 for w, v in zip(weights, volumes, strict=True))
        square = max(square, scatter / (len(runs) - 1) / sum(weights))
    square += (mean * density_uncertainty_ng_per_ml / density_ng_per_ml) ** 2
    complaint = STEP_VOLUME.complaint(round(mean))
    if complaint is not None:
        raise ThecalError(complaint, "check the units of the mass and the count of steps")
    return Calibration(round(mean), 2 * math.sqrt(square), tuple(volumes), set_pl)
