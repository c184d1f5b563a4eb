"""What outlasts a power cut, from the outside: the emulated pump is started again on its flash."""

from collections.abc import Iterator
from typing import Any

import pytest

from firmware.dosing import rig
from thecal.commands.delivered import bound_steps
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused, ThecalError
from thecal.link.client import Client
from thecal_protocol.messages import CANCEL_PLAN

HOUR_US = 3_600_000_000
STEP_PL = 2500
BOUND = bound_steps(STEP_PL)


class Pump:
    """An emulated pump, its client, and the steps its motor has made in all its lives."""

    def __init__(self, emulator: Emulator):
        self.emulator = emulator
        self.client = Client.connect(emulator.port)
        self.client.button = lambda _: emulator.bench.press_button()
        self.made_before = 0

    def commit(self, therapy: dict[str, Any]) -> None:
        self.client.commit(self.client.propose_program(therapy).digest)

    def hours(self, count: float) -> None:
        self.emulator.bench.advance_by(round(count * HOUR_US))

    def cut(self) -> None:
        """The power goes and comes back."""
        self.made_before = self.made()
        self.emulator.bench.power_cut()
        self.emulator.restart()
        self.client.hello()

    def made(self) -> int:
        return self.made_before + self.emulator.bench.truth().steps

    def accounted(self) -> int:
        return self.client.accounts().steps


@pytest.fixture
def pump() -> Iterator[Pump]:
    with Emulator(seed=1) as emulator:
        made = Pump(emulator)
        with made.client:
            yield made


def with_patient(**changes: Any) -> dict[str, Any]:
    bolus = {"dose_ng": 100_000, "duration_us": 300_000_000, "lockout_us": 2 * HOUR_US, "max_per_24h": 3}
    return rig.therapy(patient_bolus=[bolus], **changes)


@pytest.mark.req("INT-04", "INT-06")
def test_therapy_goes_on_by_itself_and_the_ledger_never_shows_less(pump: Pump):
    pump.commit(rig.therapy())
    for resets, hours in enumerate((0.1, 3.7, 26.0, 0.0, 11.3), start=1):
        pump.hours(hours)
        pump.cut()
        assert pump.client.status().state == "infusing"
        assert pump.made() <= pump.accounted() <= pump.made() + BOUND * resets
        assert pump.client.accounts().resets == resets
        before = pump.made()
        pump.hours(1)
        assert pump.made() - before in (1999, 2000)  # 2000 an hour, the phase begins anew
    assert pump.client.status().reservoir_pl == 40_000_000_000 - pump.accounted() * STEP_PL


@pytest.mark.req("INT-04")
def test_a_stopped_pump_stays_stopped_and_its_timed_stop_ends(pump: Pump):
    pump.commit(rig.therapy())
    pump.hours(2)
    pump.client.stop()
    pump.cut()
    assert pump.client.status().state == "stopped"
    before = pump.made()
    pump.hours(5)
    assert pump.made() == before
    pump.client.resume()
    pump.hours(1)
    pump.client.stop(resume_after_s=1200)
    pump.cut()
    assert pump.client.status().state == "stopped"
    pump.hours(1 / 3)
    assert pump.client.status().state == "infusing"


@pytest.mark.req("INT-04")
def test_a_pump_never_programmed_gives_nothing(pump: Pump):
    pump.hours(1)
    pump.cut()
    assert pump.client.status().state == "unprogrammed"
    pump.hours(10)
    assert pump.made() == 0


@pytest.mark.req("BOL-12", part="a lockout and the day's count outlast a power cut")
def test_lockout_and_count_of_the_day(pump: Pump):
    pump.commit(with_patient())
    for _ in range(3):
        pump.hours(2)
        pump.client.patient_bolus()
        pump.cut()
        with pytest.raises(Refused, match="lockout"):
            pump.client.patient_bolus()
    pump.hours(3)
    with pytest.raises(Refused, match="24 h"):
        pump.client.patient_bolus()


@pytest.mark.req("BOL-05", part="what was given before a power cut counts")
def test_what_was_given_before_counts_against_the_limit(pump: Pump):
    therapy = with_patient()
    therapy["drugs"][0]["max_dose_24h_ng"] = 2_600_000  # 2.4 mg by schedule, two boluses
    pump.commit(therapy)
    pump.hours(24)
    pump.client.patient_bolus()
    pump.hours(2)
    pump.cut()
    pump.hours(2)
    with pytest.raises(Refused, match="limit"):  # the reservation counts as given: not even one has room
        pump.client.patient_bolus()


@pytest.mark.req("BOL-11")
def test_a_bridge_ends_on_its_volume_over_power_cuts(pump: Pump):
    old = rig.therapy(basal_dose_ng_per_day=5_000_000)
    old["drugs"][0]["concentration_ng_per_ml"] = 10_000_000
    pump.commit(old)
    pump.hours(24)
    pump.client.commit(pump.client.propose_refill(40_000_000_000, 39_000_000_000).digest)
    new = rig.therapy(
        basal_dose_ng_per_day=5_000_000,
        bridge=[{"dose_ng_per_day": 5_000_000, "concentration_ng_per_ml": 10_000_000}],
    )
    pump.commit(new)
    began = pump.made()
    for hours in (3, 5, 4):
        pump.hours(hours)
        pump.cut()
        assert pump.client.status().bolus == "bridge"
        with pytest.raises(Refused, match="bridge"):
            pump.client.propose_bolus(1000, 60_000_000)
    pump.hours(12)
    assert pump.client.status().bolus is None
    bridged_pl = 335_800_000
    rate_after_pl_per_day = 250_000_000
    # since the last time on record the bridge may have run up to half an hour longer each time, never shorter
    most_pl = bridged_pl + 3 * 500_000_000 // 48
    made_pl = (pump.made() - began) * STEP_PL
    after_pl = rate_after_pl_per_day * 24 // 24
    assert bridged_pl <= made_pl <= most_pl + after_pl
    assert pump.client.status().rate_pl_per_day == rate_after_pl_per_day


@pytest.mark.req("DEL-07", part="a plan goes on where it stood")
def test_a_plan_goes_on_where_it_stood(pump: Pump):
    doses = [(24, 2_000_000), (48, 1_600_000), (72, 1_200_000)]
    plan = [{"after_us": hour * HOUR_US, "dose_ng_per_day": dose} for hour, dose in doses]
    pump.commit(rig.therapy(plan=plan))
    pump.hours(30)
    assert pump.client.status().basal_ng_per_day == 2_000_000
    pump.cut()
    assert pump.client.status().basal_ng_per_day == 2_000_000
    pump.hours(17)
    assert pump.client.status().basal_ng_per_day == 2_000_000
    pump.hours(2)  # at most half an hour late
    assert pump.client.status().basal_ng_per_day == 1_600_000
    pump.client.request(CANCEL_PLAN)
    pump.cut()
    pump.hours(40)
    assert pump.client.status().basal_ng_per_day == 1_600_000


@pytest.mark.req("DEL-07", "INT-06")
@pytest.mark.parametrize("operation", range(1, 13))
def test_a_commit_is_the_old_program_or_the_new_one_whole(pump: Pump, operation: int):
    old = rig.therapy(name="old")
    new = rig.therapy(name="new", basal_dose_ng_per_day=1_200_000)
    pump.commit(old)
    pump.hours(5)
    pump.made_before = pump.made()
    pump.emulator.bench.power_cut_at_flash_operation(operation)
    answered = False
    try:
        pump.commit(new)
        answered = True
        pump.hours(100)
    except ThecalError:
        pass  # the pump died in the middle: of the command or of the hours
    pump.emulator.restart()
    pump.client.hello()
    program = pump.client.running_program()
    assert program in (old, new)
    assert program == new or not answered
    assert pump.client.status().state == "infusing"
    assert pump.accounted() >= pump.made_before
