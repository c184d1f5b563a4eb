"""The campaign `power-cuts`: a pump in the midst of therapy loses its power at a flash operation.

A run: a pump that has lived for some hours (one of a few images, or a blank one) gets a random piece of
therapy; at a random program or erase of its flash the power goes, before, amid or after it. The pump is
started again, and what it promised must hold: `cut_belief` has the promises, `check_restarted` and
`check_goes_on` put them to it.
"""

import copy
import functools
import random
import tempfile
from pathlib import Path

from thecal.bench import CutWhen, PowerCut
from thecal.campaigns.base import Campaign, Run, silent
from thecal.campaigns.cut_belief import BOUND, INFUSING, STOPPED, UNPROGRAMMED, Belief, promise
from thecal.campaigns.cut_pump import CutPump
from thecal.campaigns.cut_scene import Scene
from thecal.campaigns.cut_therapies import THERAPIES, US_PER_H, US_PER_MIN, US_PER_S

IMAGES = 16  # pumps in the midst of therapy to start from, made once in every worker
_BLANK_ONE_IN = 8
_BUSY_SHARE = 0.2  # so many runs have a flash that takes its time
_BLUR_US = 100_000  # of pump.dosing.delivery: by how much a command may then be moved
_MOST_ACTIONS = 40
_IDLE_HOURS = 36
_LONGEST_STOP_S = 1800
_SAVE_EVERY_S = 1800  # of pump.records.keeper: so far the pump's clock may fall behind in a reset
_WHEN: tuple[CutWhen, ...] = ("before", "torn", "after")


def carry_out(run: Run) -> None:
    """One run. Violated: a promise was broken."""
    dice = random.Random(run.seed)
    image, belief = None, Belief()
    number = -1
    if dice.randrange(_BLANK_ONE_IN):
        number = dice.randrange(IMAGES)
        image, before = prepared(number)
        belief = copy.deepcopy(before)
    run.details["image"] = number
    run.tell(f"image {number}, {len(belief.programs)} program, {belief.steps} steps made")
    busy = dice.random() < _BUSY_SHARE
    belief.blur_us = _BLUR_US if busy else 0
    with CutPump(run.folder, image, seed=run.seed, start_us=belief.now_us, busy=busy) as pump:
        scene = Scene(pump, belief, dice, run.tell)
        if image is not None:
            check_restarted(scene, run)
        _live_until_cut(scene, run)
        pump.restart(belief.now_us)
        run.tell(f"power back; {belief.steps} steps made so far")
        check_restarted(scene, run)
        check_goes_on(scene, run)


CAMPAIGN = Campaign(
    name="power-cuts",
    title="power cuts at random flash operations in the midst of therapy",
    unit="power cuts",
    columns={
        "image": "int",
        "operation": "int",  # which program or erase after the boot; none: cut between two
        "cut_when": "text",
        "torn_seed": "int",
        "during": "text",
        "cut_at_us": "int",
    },
    carry_out=carry_out,
)


def _live_until_cut(scene: Scene, run: Run) -> None:
    """A piece of therapy, up to the power cut."""
    dice, pump, belief = scene.dice, scene.pump, scene.belief
    operation = dice.randint(1, dice.choice((6, 60)))
    when = dice.choice(_WHEN)
    torn_seed = dice.randrange(2**31)
    run.details.update(cut_when=when, torn_seed=torn_seed)
    run.tell(f"the cut: {when} flash operation {operation}, torn seed {torn_seed}")
    pump.plan_cut(operation, when, torn_seed)
    try:
        for _ in range(_MOST_ACTIONS):
            scene.act()
        for _ in range(_IDLE_HOURS):
            scene.pass_time(US_PER_H)
        cut_us, steps = pump.cut_now()
        run.details.update(cut_when="idle", torn_seed=None)
    except PowerCut:
        run.details["operation"], cut_us, steps = pump.cut_seen()
    run.details.update(during=scene.doing, cut_at_us=cut_us)
    run.tell(f"{cut_us / US_PER_S:14.6f} s  POWER CUT during: {scene.doing}")
    belief.pass_time(max(cut_us, belief.now_us))
    belief.check_steps(steps)
    belief.power_gone(steps)


def check_restarted(scene: Scene, run: Run) -> None:
    """Right after a restart: what the pump says of itself agrees with what happened."""
    belief, client = scene.belief, scene.pump.client
    accounts = client.accounts()
    run.steps_physical, run.steps_accounted = belief.steps, accounts.steps
    run.bound = BOUND * belief.resets
    scene.doing = "restart"
    belief.check_log(client.events(0))
    running = client.running_program()
    status = client.status()
    run.tell(
        f"    {status.state}, {accounts.steps} steps on the ledger, {belief.steps} made; "
        f"program {running['name'] if running else 'none'}"
    )
    belief.check_program(running)
    belief.check_state(status)
    belief.check_ledger(accounts)
    belief.settle(running, status)


def check_goes_on(scene: Scene, run: Run) -> None:
    """Therapy goes on by itself, in the right amount; lockouts hold; a stop ends when it should."""
    belief, dice, pump = scene.belief, scene.dice, scene.pump
    if belief.states == {UNPROGRAMMED}:
        scene.begin(THERAPIES[0])
        promise(belief.states == {INFUSING}, "a pump without a program takes none")
    began = pump.bench.truth()
    began_steps = pump.client.accounts().steps
    if dice.random() < 0.5 and belief.states == {INFUSING}:
        scene.patient_bolus()
    span_us = dice.randint(US_PER_MIN, 2 * US_PER_H)
    least = belief.expected(span_us)
    stopped = belief.states == {STOPPED}
    scene.pass_time(span_us)
    made = pump.bench.truth().steps - began.steps
    promise(made >= least - 1, f"{made} steps in {span_us} us after the restart, not the prescribed {least}")
    accounts = pump.client.accounts()
    promise(
        accounts.steps - began_steps == made,
        f"the motor made {made} steps after the restart, the ledger counts {accounts.steps - began_steps}",
    )
    if stopped:
        _check_stop_ends(scene)
    total = belief.steps + pump.bench.truth().steps
    run.steps_physical, run.steps_accounted = total, pump.client.accounts().steps


def _check_stop_ends(scene: Scene) -> None:
    """A pump found stopped after the restart: it resumes when it was told to, or obeys a resume."""
    belief = scene.belief
    if belief.will_resume:
        scene.pass_time((_LONGEST_STOP_S + _SAVE_EVERY_S + 1) * US_PER_S)
        belief.states = {scene.pump.client.status().state}
        promise(belief.states == {INFUSING}, "a stop that should have ended by itself still holds")
    elif scene.pump.client.status().state == STOPPED:
        belief.states = {STOPPED}
        scene.resume()
        promise(scene.pump.client.status().state == INFUSING, "a pump that was stopped does not resume")


# --- where runs begin ---


@functools.cache
def prepared(number: int) -> tuple[bytes, Belief]:
    """The flash of a pump whose power was cut in the midst of therapy; what is true of it (to be copied)."""
    dice = random.Random(f"power-cuts image {number}")
    belief = Belief()
    with (
        tempfile.TemporaryDirectory(prefix="thecal-campaign-") as folder,
        CutPump(Path(folder), None, seed=number, start_us=0, busy=False) as pump,
    ):
        scene = Scene(pump, belief, dice, silent)
        scene.begin(THERAPIES[number % len(THERAPIES)])
        for _ in range(dice.randint(3, 30)):
            scene.act()
        cut_us, steps = pump.cut_now()
        belief.pass_time(cut_us)
        belief.power_gone(steps)
        return pump.flash.read_bytes(), belief
