"""The campaign `power-cuts`: a pump in the midst of therapy loses its power, again and again.

A run: a pump that has lived for some hours (one of a few images, or a blank one) gets a random piece of
therapy; at a random program or erase of its flash the power goes, before, amid or after it: in the boot, in
the recovery or later. It is started again, and what it promised must hold; so some ten times over.
`expected_state` has the promises, `check_restarted` and `check_goes_on` put them to it.
"""

import copy
import functools
import random
import tempfile
from pathlib import Path

from thecal.campaigns.base import Campaign, Run, silent
from thecal.campaigns.cut_pump import BUSY, FAILING, SOUND, STUCK, WORN, Cut, CutPump
from thecal.campaigns.cut_therapies import STEPS_PL, US_PER_H, US_PER_MIN, US_PER_S, therapies
from thecal.campaigns.expected_state import FAULT, INFUSING, STOPPED, UNPROGRAMMED, ExpectedState, promise
from thecal.campaigns.random_scenario import RandomScenario
from thecal.emulator.flash_file import flip_flash_bit
from thecal.emulator.testbench import CutWhen, PowerCut

IMAGES = 24  # pumps in the midst of therapy to start from, made once in every worker
CUTS = 10  # in a run
_BLANK_ONE_IN = 12
_FLASHES = (SOUND, SOUND, SOUND, SOUND, BUSY, WORN, STUCK, FAILING)
_MEMORY_SHARE = 0.5  # so many resets leave the motor's count, as those of the watchdog do
_ROT_SHARE = 0.25  # so many runs end with bits that rot
_MOST_ACTIONS = 40
_IDLE_HOURS = 36
_LONGEST_STOP_S = 1800
_SAVE_EVERY_S = 1800  # of pump.records.persistence: so far the pump's clock may fall behind in a reset
_SMALL_STEP_PL = 1000
_SOON, _LATER = (6, 14), (25, 40)  # a cut comes within so many operations
_WHEN: tuple[CutWhen, ...] = ("before", "torn", "after")


def carry_out(run: Run) -> None:
    """One run. Violated: a promise was broken."""
    rng = random.Random(run.seed)
    number = rng.randrange(IMAGES) if rng.randrange(_BLANK_ONE_IN) else -1
    step_pl = STEPS_PL[number % len(STEPS_PL)]
    image, expected = None, ExpectedState(step_pl)
    if number >= 0:
        image, before = prepared(number)
        expected = copy.deepcopy(before)
    flash = rng.choice(_FLASHES)
    expected.on(flash)
    run.details.update(image=number, flash=flash, step_pl=step_pl, cuts=0, boot_cuts=0, exact_resets=0)
    run.tell(f"image {number}, steps of {step_pl} pL, a flash that is {flash}; {expected.steps} steps made")
    with CutPump(run.folder, image, seed=run.seed, flash=flash, whole=run.whole) as pump:
        scenario = RandomScenario(pump, expected, rng, run.tell)
        memory = False
        for _ in range(CUTS):
            memory = _live_until_cut(scenario, run, memory)
        pump.boot(expected.now_us, None, memory=memory)
        run.tell(f"power back for good; {expected.steps} steps made so far")
        check_restarted(scenario, run)
        check_goes_on(scenario, run)
        if rng.random() < _ROT_SHARE:
            _rot(scenario, run)


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


def _live_until_cut(scenario: RandomScenario, run: Run, memory: bool) -> bool:
    """One life, up to the power cut; whether it left a memory of the motor's count."""
    rng, pump, expected = scenario.rng, scenario.pump, scenario.expected
    small = expected.step_pl < _SMALL_STEP_PL
    longest = rng.choice(_SOON if small else _SOON + _LATER)
    cut = Cut(rng.randint(1, longest), rng.choice(_WHEN), rng.randrange(2**31))
    run.details.update(operation=None, cut_when=cut.when, torn_seed=cut.torn_seed)
    scenario.doing = "boot"
    try:
        pump.boot(expected.now_us, cut, memory=memory)
        run.tell(f"power back; {expected.steps} steps made so far")
        check_restarted(scenario, run)
        if rng.random() < 0.3 and expected.states == {INFUSING}:
            _check_flows(scenario, rng.randint(US_PER_MIN, 20 * US_PER_MIN))
        for _ in range(_MOST_ACTIONS):
            scenario.act()
        for _ in range(_IDLE_HOURS):
            scenario.pass_time(US_PER_H if expected.step_pl >= _SMALL_STEP_PL else US_PER_H // 6)
        cut_us, steps = pump.cut_now()
        run.details.update(cut_when="idle", torn_seed=None)
    except PowerCut:
        run.details["operation"], cut_us, steps = pump.cut_seen()
    _count(run, "cuts")
    if scenario.doing == "boot":
        _count(run, "boot_cuts")
    run.details.update(during=scenario.doing, cut_at_us=cut_us)
    run.tell(
        f"{cut_us / US_PER_S:14.6f} s  POWER CUT {run.details['cut_when']} operation "
        f"{run.details['operation']} during: {scenario.doing}"
    )
    expected.pass_time(max(cut_us, expected.now_us))
    expected.check_steps(steps)
    remembers = rng.random() < _MEMORY_SHARE
    expected.power_gone(steps, memory=remembers)
    return remembers


def _count(run: Run, column: str) -> None:
    count = run.details[column]
    run.details[column] = (count if isinstance(count, int) else 0) + 1


def check_restarted(scenario: RandomScenario, run: Run) -> None:
    """Right after a restart: what the pump says of itself agrees with what happened."""
    expected, client = scenario.expected, scenario.pump.client
    scenario.doing = "restart"
    accounts = client.accounts()
    run.steps_physical, run.steps_accounted = expected.steps, accounts.steps
    run.bound = expected.bound
    expected.check_log(client.events(expected.last_event + 1))
    status = client.status()
    found = status.program_digest
    run.tell(f"    {status.state}, {accounts.steps} steps on the ledger, {expected.steps} made")
    expected.check_program(found)
    expected.check_state(status)
    if expected.check_ledger(accounts):
        _count(run, "exact_resets")
    expected.settle(found, status, accounts)


def _check_flows(scenario: RandomScenario, span_us: int) -> None:
    """Therapy goes on, in the right amount, and the ledger counts what the motor makes."""
    expected, pump = scenario.expected, scenario.pump
    least_before, most_before = _ahead(pump)
    began = pump.bench.truth(collect=False).steps
    least = expected.expected(span_us)
    scenario.pass_time(span_us)
    made = pump.bench.truth(collect=False).steps - began
    if expected.failing:
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


def check_goes_on(scenario: RandomScenario, run: Run) -> None:
    """Therapy goes on by itself, in the right amount; lockouts hold; a stop ends when it should."""
    expected, rng, pump = scenario.expected, scenario.rng, scenario.pump
    if expected.states == {UNPROGRAMMED}:
        scenario.begin(therapies(expected.step_pl)[0])
        promise(expected.failing or expected.states == {INFUSING}, "a pump without a program takes none")
    if rng.random() < 0.5 and expected.states == {INFUSING}:
        scenario.patient_bolus()
    stopped = expected.states == {STOPPED}
    _check_flows(
        scenario, rng.randint(US_PER_MIN, US_PER_H // (1 if expected.step_pl >= _SMALL_STEP_PL else 6))
    )
    if stopped and not expected.failing:
        _check_stop_ends(scenario)
    total = expected.steps + pump.bench.truth(collect=False).steps
    run.steps_physical, run.steps_accounted = total, pump.client.accounts().steps


def _check_stop_ends(scenario: RandomScenario) -> None:
    """A pump found stopped after the restart: it resumes when it was told to, or obeys a resume."""
    expected = scenario.expected
    if expected.will_resume:
        scenario.pass_time((_LONGEST_STOP_S + _SAVE_EVERY_S + 1) * US_PER_S)
        expected.states = {scenario.pump.client.status().state}
        promise(expected.states == {INFUSING}, "a stop that should have ended by itself still holds")
    elif scenario.pump.client.status().state == STOPPED:
        expected.states = {STOPPED}
        scenario.resume()
        promise(scenario.pump.client.status().state == INFUSING, "a pump that was stopped does not resume")


def _rot(scenario: RandomScenario, run: Run) -> None:
    """A bit of what is written turns over while the power is off: a named state, and no other program than
    one that was committed once; nothing flows that none of them calls for."""
    expected, rng, pump = scenario.expected, scenario.rng, scenario.pump
    scenario.doing = "rot"
    cut_us, steps = pump.cut_now()
    expected.pass_time(max(cut_us, expected.now_us))
    expected.power_gone(steps)
    data = pump.flash.read_bytes()
    offset = next(at for at in iter(lambda: rng.randrange(len(data)), None) if data[at] != 0xFF)
    bit = rng.randrange(8)
    run.details["rot"] = f"{offset}.{bit}"
    run.tell(f"    bit {bit} of byte {offset} rots")
    flip_flash_bit(pump.flash, offset, bit)
    pump.boot(expected.now_us, None, memory=False)
    client = pump.client
    status = client.status()
    found = status.program_digest
    run.tell(f"    {status.state}")
    promise(not found or found in expected.ever, "after rot the pump runs a program that nobody committed")
    expected.programs = list(expected.ever.values())
    if found:
        promise(status.state in (INFUSING, STOPPED, FAULT), f"after rot a program, and {status.state}")
        expected.states = {INFUSING, STOPPED}
    else:
        named = (UNPROGRAMMED, FAULT) if expected.failing else (UNPROGRAMMED,)  # a self test finds that flash
        promise(status.state in named, f"after rot no program, and {status.state}")
    scenario.pass_time(US_PER_H // 2)
    made = pump.bench.truth(collect=False).steps
    promise(bool(found) or not made, f"after rot {made} steps without a program")
    if not found and not expected.failing:
        expected.programs, expected.states = [], {UNPROGRAMMED}
        scenario.begin(therapies(expected.step_pl)[0])
        promise(client.status().state == INFUSING, "after rot the pump takes no program")


# --- where runs begin ---


@functools.cache
def prepared(number: int) -> tuple[bytes, ExpectedState]:
    """The flash of a pump whose power was cut in the midst of therapy; what is true of it (to be copied)."""
    rng = random.Random(f"power-cuts image {number}")
    step_pl = STEPS_PL[number % len(STEPS_PL)]
    expected = ExpectedState(step_pl)
    with (
        tempfile.TemporaryDirectory(prefix="thecal-campaign-") as folder,
        CutPump(Path(folder), None, seed=number, flash=SOUND, whole=False) as pump,
    ):
        pump.boot(0, None, memory=False)
        scenario = RandomScenario(pump, expected, rng, silent)
        scenario.begin(therapies(step_pl)[number % len(therapies(step_pl))])
        for _ in range(rng.randint(3, 30)):
            scenario.act()
        cut_us, steps = pump.cut_now()
        expected.pass_time(cut_us)
        expected.power_gone(steps)
        return pump.flash.read_bytes(), expected
