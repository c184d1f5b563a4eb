"""The campaign `power-cuts`: a pump in the midst of therapy loses its power, again and again.

A run: a pump that has lived for some hours (one of a few images, or a blank one) gets a random piece of
therapy; at a random program or erase of its flash the power goes, before, amid or after it: in the boot, in
the recovery or later. It is started again, and what it promised must hold; so some ten times over.
`cut_belief` has the promises, `check_restarted` and `check_goes_on` put them to it.
"""

import copy
import functools
import random
import tempfile
from pathlib import Path

from thecal.campaigns.base import Campaign, Run, silent
from thecal.campaigns.cut_belief import FAULT, INFUSING, STOPPED, UNPROGRAMMED, Belief, promise
from thecal.campaigns.cut_pump import BUSY, FAILING, SOUND, STUCK, WORN, Cut, CutPump
from thecal.campaigns.cut_scene import Scene
from thecal.campaigns.cut_therapies import STEPS_PL, US_PER_H, US_PER_MIN, US_PER_S, therapies
from thecal.emulator.testbench import CutWhen, PowerCut, flip_flash_bit

IMAGES = 24  # pumps in the midst of therapy to start from, made once in every worker
CUTS = 10  # in a run
_BLANK_ONE_IN = 12
_FLASHES = (SOUND, SOUND, SOUND, SOUND, BUSY, WORN, STUCK, FAILING)
_MEMORY_SHARE = 0.5  # so many resets leave the motor's count, as those of the watchdog do
_ROT_SHARE = 0.25  # so many runs end with bits that rot
_MOST_ACTIONS = 40
_IDLE_HOURS = 36
_LONGEST_STOP_S = 1800
_SAVE_EVERY_S = 1800  # of pump.records.keeper: so far the pump's clock may fall behind in a reset
_SMALL_STEP_PL = 1000
_SOON, _LATER = (6, 14), (25, 40)  # a cut comes within so many operations
_WHEN: tuple[CutWhen, ...] = ("before", "torn", "after")


def carry_out(run: Run) -> None:
    """One run. Violated: a promise was broken."""
    dice = random.Random(run.seed)
    number = dice.randrange(IMAGES) if dice.randrange(_BLANK_ONE_IN) else -1
    step_pl = STEPS_PL[number % len(STEPS_PL)]
    image, belief = None, Belief(step_pl)
    if number >= 0:
        image, before = prepared(number)
        belief = copy.deepcopy(before)
    flash = dice.choice(_FLASHES)
    belief.on(flash)
    run.details.update(image=number, flash=flash, step_pl=step_pl, cuts=0, boot_cuts=0, exact_resets=0)
    run.tell(f"image {number}, steps of {step_pl} pL, a flash that is {flash}; {belief.steps} steps made")
    with CutPump(run.folder, image, seed=run.seed, flash=flash, whole=run.whole) as pump:
        scene = Scene(pump, belief, dice, run.tell)
        memory = False
        for _ in range(CUTS):
            memory = _live_until_cut(scene, run, memory)
        pump.boot(belief.now_us, None, memory=memory)
        run.tell(f"power back for good; {belief.steps} steps made so far")
        check_restarted(scene, run)
        check_goes_on(scene, run)
        if dice.random() < _ROT_SHARE:
            _rot(scene, run)


CAMPAIGN = Campaign(
    name="power-cuts",
    title="power cuts at random flash operations in the midst of therapy",
    unit="runs",
    counted="cuts",
    columns={
        "cuts": "int",
        "boot_cuts": "int",  # of these, before the pump had booted
        "exact_resets": "int",  # of these, those whose count was remembered and agreed to the step
        "image": "int",
        "step_pl": "int",
        "flash": "text",
        "operation": "int",  # of the last cut: which program or erase of that life; none: between two
        "cut_when": "text",
        "torn_seed": "int",
        "during": "text",
        "cut_at_us": "int",
        "rot": "text",  # offset.bit of what rotted at the end
    },
    carry_out=carry_out,
)


def _live_until_cut(scene: Scene, run: Run, memory: bool) -> bool:
    """One life, up to the power cut; whether it left a memory of the motor's count."""
    dice, pump, belief = scene.dice, scene.pump, scene.belief
    small = belief.step_pl < _SMALL_STEP_PL
    longest = dice.choice(_SOON if small else _SOON + _LATER)
    cut = Cut(dice.randint(1, longest), dice.choice(_WHEN), dice.randrange(2**31))
    run.details.update(operation=None, cut_when=cut.when, torn_seed=cut.torn_seed)
    scene.doing = "boot"
    try:
        pump.boot(belief.now_us, cut, memory=memory)
        run.tell(f"power back; {belief.steps} steps made so far")
        check_restarted(scene, run)
        if dice.random() < 0.3 and belief.states == {INFUSING}:
            _check_flows(scene, dice.randint(US_PER_MIN, 20 * US_PER_MIN))
        for _ in range(_MOST_ACTIONS):
            scene.act()
        for _ in range(_IDLE_HOURS):
            scene.pass_time(US_PER_H if belief.step_pl >= _SMALL_STEP_PL else US_PER_H // 6)
        cut_us, steps = pump.cut_now()
        run.details.update(cut_when="idle", torn_seed=None)
    except PowerCut:
        run.details["operation"], cut_us, steps = pump.cut_seen()
    _count(run, "cuts")
    if scene.doing == "boot":
        _count(run, "boot_cuts")
    run.details.update(during=scene.doing, cut_at_us=cut_us)
    run.tell(
        f"{cut_us / US_PER_S:14.6f} s  POWER CUT {run.details['cut_when']} operation "
        f"{run.details['operation']} during: {scene.doing}"
    )
    belief.pass_time(max(cut_us, belief.now_us))
    belief.check_steps(steps)
    remembers = dice.random() < _MEMORY_SHARE
    belief.power_gone(steps, memory=remembers)
    return remembers


def _count(run: Run, column: str) -> None:
    count = run.details[column]
    run.details[column] = (count if isinstance(count, int) else 0) + 1


def check_restarted(scene: Scene, run: Run) -> None:
    """Right after a restart: what the pump says of itself agrees with what happened."""
    belief, client = scene.belief, scene.pump.client
    scene.doing = "restart"
    accounts = client.accounts()
    run.steps_physical, run.steps_accounted = belief.steps, accounts.steps
    run.bound = belief.bound
    belief.check_log(client.events(belief.last_event + 1))
    status = client.status()
    found = status.program_digest
    run.tell(f"    {status.state}, {accounts.steps} steps on the ledger, {belief.steps} made")
    belief.check_program(found)
    belief.check_state(status)
    if belief.check_ledger(accounts):
        _count(run, "exact_resets")
    belief.settle(found, status, accounts)


def _check_flows(scene: Scene, span_us: int) -> None:
    """Therapy goes on, in the right amount, and the ledger counts what the motor makes."""
    belief, pump = scene.belief, scene.pump
    least_before, most_before = _ahead(pump)
    began = pump.bench.truth(collect=False).steps
    least = belief.expected(span_us)
    scene.pass_time(span_us)
    made = pump.bench.truth(collect=False).steps - began
    if belief.failing:
        return  # it may have run out of what is on record
    promise(made >= least - 1, f"{made} steps in {span_us} us after the restart, not the prescribed {least}")
    least_after, most_after = _ahead(pump)
    promise(
        least_after <= most_before and least_before <= most_after,
        f"the ledger was {least_before} to {most_before} steps ahead of the motor, and in the same life is"
        f" {least_after} to {most_after} ahead now",
    )


def _ahead(pump: CutPump) -> tuple[int, int]:
    """By how much the ledger's count is above that of the motor's life: one number, or two that it lies
    between where the pump's writing takes time."""
    before = pump.bench.truth(collect=False).steps
    counted = pump.client.accounts().steps
    return counted - pump.bench.truth(collect=False).steps, counted - before


def check_goes_on(scene: Scene, run: Run) -> None:
    """Therapy goes on by itself, in the right amount; lockouts hold; a stop ends when it should."""
    belief, dice, pump = scene.belief, scene.dice, scene.pump
    if belief.states == {UNPROGRAMMED}:
        scene.begin(therapies(belief.step_pl)[0])
        promise(belief.failing or belief.states == {INFUSING}, "a pump without a program takes none")
    if dice.random() < 0.5 and belief.states == {INFUSING}:
        scene.patient_bolus()
    stopped = belief.states == {STOPPED}
    _check_flows(scene, dice.randint(US_PER_MIN, US_PER_H // (1 if belief.step_pl >= _SMALL_STEP_PL else 6)))
    if stopped and not belief.failing:
        _check_stop_ends(scene)
    total = belief.steps + pump.bench.truth(collect=False).steps
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


def _rot(scene: Scene, run: Run) -> None:
    """A bit of what is written turns over while the power is off: a named state, and no other program than
    one that was committed once; nothing flows that none of them calls for."""
    belief, dice, pump = scene.belief, scene.dice, scene.pump
    scene.doing = "rot"
    cut_us, steps = pump.cut_now()
    belief.pass_time(max(cut_us, belief.now_us))
    belief.power_gone(steps)
    data = pump.flash.read_bytes()
    offset = next(at for at in iter(lambda: dice.randrange(len(data)), None) if data[at] != 0xFF)
    bit = dice.randrange(8)
    run.details["rot"] = f"{offset}.{bit}"
    run.tell(f"    bit {bit} of byte {offset} rots")
    flip_flash_bit(pump.flash, offset, bit)
    pump.boot(belief.now_us, None, memory=False)
    client = pump.client
    status = client.status()
    found = status.program_digest
    run.tell(f"    {status.state}")
    promise(not found or found in belief.ever, "after rot the pump runs a program that nobody committed")
    belief.programs = list(belief.ever.values())
    if found:
        promise(status.state in (INFUSING, STOPPED, FAULT), f"after rot a program, and {status.state}")
        belief.states = {INFUSING, STOPPED}
    else:
        named = (UNPROGRAMMED, FAULT) if belief.failing else (UNPROGRAMMED,)  # a self test finds that flash
        promise(status.state in named, f"after rot no program, and {status.state}")
    scene.pass_time(US_PER_H // 2)
    made = pump.bench.truth(collect=False).steps
    promise(bool(found) or not made, f"after rot {made} steps without a program")
    if not found and not belief.failing:
        belief.programs, belief.states = [], {UNPROGRAMMED}
        scene.begin(therapies(belief.step_pl)[0])
        promise(client.status().state == INFUSING, "after rot the pump takes no program")


# --- where runs begin ---


@functools.cache
def prepared(number: int) -> tuple[bytes, Belief]:
    """The flash of a pump whose power was cut in the midst of therapy; what is true of it (to be copied)."""
    dice = random.Random(f"power-cuts image {number}")
    step_pl = STEPS_PL[number % len(STEPS_PL)]
    belief = Belief(step_pl)
    with (
        tempfile.TemporaryDirectory(prefix="thecal-campaign-") as folder,
        CutPump(Path(folder), None, seed=number, flash=SOUND, whole=False) as pump,
    ):
        pump.boot(0, None, memory=False)
        scene = Scene(pump, belief, dice, silent)
        scene.begin(therapies(step_pl)[number % len(therapies(step_pl))])
        for _ in range(dice.randint(3, 30)):
            scene.act()
        cut_us, steps = pump.cut_now()
        belief.pass_time(cut_us)
        belief.power_gone(steps)
        return pump.flash.read_bytes(), belief
