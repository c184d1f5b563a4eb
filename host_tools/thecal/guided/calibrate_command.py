"""`thecal calibrate`: steps run and counted, masses entered, the step volume worked out."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from thecal.client import Client
from thecal.errors import ThecalError
from thecal.guided.calibration import Calibration, Run, calibrate
from thecal.guided.counted import run_steps
from thecal.guided.prompts import Prompter
from thecal.quantities import CONCENTRATION, DURATION, MASS, VOLUME, parse_whole


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


def run(client: Client | None, prompter: Prompter, entered: Entered) -> Calibration:
    """The calibration. `client`: the pump that is to make the steps of the last run now."""
    runs = [_parsed(text) for text in entered.runs]
    # what can be wrong is found before a step is made
    volume_pl = parse_whole(entered.volume, VOLUME) if entered.volume else 0
    duration_us = parse_whole(entered.duration, DURATION)
    u_density = parse_whole(entered.density_uncertainty, CONCENTRATION)
    density = prompter.quantity("Density of the fluid", CONCENTRATION, "--density", entered.density)
    u_mass = prompter.quantity(
        "Uncertainty of a weighing", MASS, "--mass-uncertainty", entered.mass_uncertainty
    )
    set_pl: int | None = None
    if client is not None:
        if entered.mass:
            parse_whole(entered.mass, MASS)
        steps, set_pl = run_steps(client, volume_pl, duration_us)
        print(f"  {steps} steps were made", file=sys.stderr)
        prompter.done = f"{steps} steps were made"
        runs.append(Run(steps, prompter.quantity("Mass on the balance", MASS, "--mass", entered.mass)))
    return calibrate(
        runs,
        density,
        mass_uncertainty_ng=u_mass,
        density_uncertainty_ng_per_ml=u_density,
        set_pl=set_pl,
    )


def _parsed(text: str) -> Run:
    steps, colon, mass = text.partition(":")
    if not colon or not steps.strip().isdecimal():
        raise ThecalError(f'"{text}" is no run', 'write steps and mass: --run "40000:99.8 mg"')
    return Run(int(steps), parse_whole(mass, MASS))
