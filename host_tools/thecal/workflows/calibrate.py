"""`thecal calibrate`: steps run and counted, masses entered, the step volume worked out."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.link.uncertain_delivery import withdraw
from thecal.units.amounts import PL_PER_ML, count_text
from thecal.units.quantities import DENSITY, DURATION, MASS, VOLUME, parse_whole
from thecal.workflows.calibration import Calibration, Run, calibrate, check_density
from thecal.workflows.counted import CountedRun
from thecal.workflows.prompts import Prompter


@dataclass(frozen=True)
class Entered:
    """What the command line says; empty: to be asked."""

    runs: tuple[str, ...]
    volume: str
    duration: str
    mass: str
    density: str
    mass_uncertainty: str
    density_uncertainty: str
    yes: bool = False


def run(client: Client | None, prompter: Prompter, entered: Entered) -> Calibration:
    """The calibration. `client`: the pump that is to make the steps of the last run now, after a yes."""
    runs = [_parsed(text) for text in entered.runs]
    volume_pl = parse_whole(entered.volume, VOLUME) if entered.volume else 0
    duration_us = parse_whole(entered.duration, DURATION)
    mass_ng = parse_whole(entered.mass, MASS) if entered.mass else 0
    u_density = parse_whole(entered.density_uncertainty, DENSITY)
    density = prompter.quantity(
        "Density of the fluid", DENSITY, "--density", entered.density, check=check_density
    )
    u_mass = prompter.quantity(
        "Uncertainty of a weighing", MASS, "--mass-uncertainty", entered.mass_uncertainty
    )

    def found(runs: list[Run], set_pl: int | None) -> Calibration:
        return calibrate(
            runs,
            density,
            mass_uncertainty_ng=u_mass,
            density_uncertainty_ng_per_ml=u_density,
            set_pl=set_pl,
        )

    if client is None:
        return found(runs, None)
    counted = CountedRun.propose(client, volume_pl, duration_us)
    try:
        # all that can be wrong is found before a step is made: the result is worked out once beforehand
        likely_ng = mass_ng or counted.volume_pl * density // PL_PER_ML
        found([*runs, Run(counted.least_steps, likely_ng)], counted.set_pl)
        _agree(prompter, entered, counted)
    except ThecalError:
        withdraw(client)
        raise
    steps = counted.give()
    prompter.done = f"{count_text(steps)} steps were made"
    print(f"  {prompter.done}", file=sys.stderr)
    runs.append(Run(steps, mass_ng or prompter.quantity("Mass on the balance", MASS, "--mass")))
    return found(runs, counted.set_pl)


def _agree(prompter: Prompter, entered: Entered, counted: CountedRun) -> None:
    """ThecalError unless somebody wants these steps made, and the mass can be entered afterwards."""
    if not entered.mass and not prompter.allowed:
        raise ThecalError(
            "the mass could not be asked for afterwards (--no-input): nothing was changed",
            "say it with --mass, or run the steps first and enter them with --run",
        )
    if not entered.yes:
        print("\n".join(counted.words()), file=sys.stderr)
    prompter.confirm("Give this now?", "--yes", entered.yes)


def _parsed(text: str) -> Run:
    steps, colon, mass = text.partition(":")
    if not colon or not steps.strip().isdecimal():
        raise ThecalError(f'"{text}" is no run', 'write steps and mass: --run "40000:99.8 mg"')
    return Run(int(steps), parse_whole(mass, MASS))
