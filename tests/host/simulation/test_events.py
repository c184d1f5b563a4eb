"""What happens in a simulation, and what of it the outcome tells."""

from pathlib import Path

import pytest

from host.therapy.samples import CONSTANT, MORPHINE
from thecal.emulator.injections import INJECT
from thecal.errors import SimulationError, TherapyError
from thecal.simulation.document import simulation_json
from thecal.simulation.pump import SimulatedPump
from thecal.simulation.scenario.load import parse_events
from thecal.simulation.simulate import Outcome, Plan, simulate
from thecal.therapy.load import parse_therapy

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def event(at: str, what: str, **more: str) -> str:
    key = "inject" if what in INJECT else "do"
    lines = "".join(f'{name.rstrip("_")} = "{value}"\n' for name, value in more.items())
    return f'[[event]]\nat = "{at}"\n{key} = "{what}"\n{lines}'


def run(*events: str, therapy: str = MORPHINE, hours: int = 24, folder: Path | None = None) -> Outcome:
    known = parse_events("".join(events), "events", folder or Path())
    return simulate(Plan(parse_therapy(therapy), hours * HOUR_US, known, seed=1))


def boluses(outcome: Outcome) -> list[tuple[object, ...]]:
    return [(x.kind, x.at_us, x.outcome, x.reason, x.given_pl) for x in outcome.boluses]


@pytest.mark.req("BOL-04", part="one microsecond before, at the end, over the serial port")
def test_lockout_to_the_microsecond():
    given = run(
        event("2h", "patient_bolus"), event("14399999999us", "patient_bolus"), event("4h", "patient_bolus")
    )
    assert boluses(given) == [
        ("patient", 2 * HOUR_US, "delivered", None, 5_000_000),
        ("patient", 4 * HOUR_US - 1, "refused", "lockout", 0),
        ("patient", 4 * HOUR_US, "delivered", None, 5_000_000),
    ]
    assert [(x.what, x.at_us, x.reason) for x in given.refusals] == [
        ("patient_bolus", 4 * HOUR_US - 1, "lockout")
    ]


def test_order_at_one_instant_is_that_of_the_file():
    first = run(event("3h", "stop"), event("3h", "patient_bolus"), event("3h", "resume"))
    assert boluses(first) == [("patient", 3 * HOUR_US, "refused", "stopped", 0)]
    second = run(event("3h", "patient_bolus"), event("3h", "stop"), event("3h", "resume"))
    assert boluses(second) == [("patient", 3 * HOUR_US, "cut_short", None, 0)]


@pytest.mark.req("BOL-07", part="a stop")
def test_a_stop_cuts_short():
    outcome = run(event("3h", "patient_bolus"), event("182min", "stop"), hours=6)
    assert boluses(outcome) == [("patient", 3 * HOUR_US, "cut_short", None, 2_000_000)]
    assert outcome.state == "stopped"
    basal_pl = 5_000_000 * 182 // 60
    steps = (basal_pl + 2_000_000) // 2500
    assert outcome.steps == outcome.ledger.accounted_steps == steps


def test_an_event_at_the_very_end_happens_and_one_after_it_does_not():
    outcome = run(event("24h", "patient_bolus"), event("86400000001us", "stop"))
    assert boluses(outcome) == [("patient", DAY_US, "running", None, 0)]
    assert outcome.state == "infusing"


def test_running_at_the_end():
    outcome = run(event("1438min", "clinician_bolus", dose="0.2 mg", duration="10 min"))
    assert boluses(outcome) == [("clinician", 1438 * 60_000_000, "running", None, 2_000_000)]


def test_a_refused_clinician_bolus_is_told_once():
    outcome = run(event("1h", "clinician_bolus", dose="1 mg", duration="1 s"))
    assert boluses(outcome) == [("clinician", HOUR_US, "refused", "max_rate", 0)]
    assert [(x.what, x.reason) for x in outcome.refusals] == [("clinician_bolus", "max_rate")]
    assert outcome.steps == 48_000


def test_another_program(tmp_path: Path):
    (tmp_path / "next.toml").write_text(MORPHINE.replace("2.4 mg/day", "4.8 mg/day"))
    outcome = run(event("12h", "program", file="next.toml"), folder=tmp_path)
    assert outcome.ledger.delivered_ng == {"morphine": 3_600_000}
    assert outcome.steps == 72_000


def test_set_clock_moves_local_time_only():
    outcome = run(event("1h", "set_clock", offset="-2h"))
    assert outcome.status is not None
    assert (outcome.status.local_day, outcome.status.local_s) == (9501, 22 * 3600)  # 2026-01-05
    assert outcome.steps == 48_000


def test_refill():
    outcome = run(event("1h", "refill", volume="20 mL", residual="39 mL"))
    assert outcome.refusals == []
    assert outcome.ledger.reservoir_pl == 20_000_000_000 - 23 * 5_000_000
    assert outcome.ledger.delivered_ng == {"morphine": 2_400_000}


@pytest.mark.req("DEL-13", part="in simulate")
def test_a_refill_with_its_program(tmp_path: Path):
    weaker = tmp_path / "weaker.toml"
    weaker.write_text(MORPHINE.replace("20 mg/mL", "10 mg/mL"))
    outcome = run(event("12h", "refill", volume="20 mL", residual="39 mL", file=str(weaker)))
    assert outcome.refusals == []
    assert outcome.steps == 24_000 + 48_000  # the same dose of half the concentration
    assert outcome.ledger.reservoir_pl == 20_000_000_000 - 48_000 * 2500
    assert outcome.ledger.delivered_ng == {"morphine": 2_400_000}


@pytest.mark.req("BOL-09", part="a stall: what was missed is not given late")
@pytest.mark.req("MOT-01", "BOL-09", part="in simulate")
def test_a_motor_stall_is_announced_and_nothing_missed_is_given_late():
    outcome = run(event("8h", "motor_stall", for_="30min"))
    lost = outcome.ledger.accounted_steps - outcome.steps
    assert 16 <= lost < 1_000  # at the minimum rate, most of the time
    assert outcome.steps <= 47_000
    raised = [(alarm.name, alarm.cleared_us is not None) for alarm in outcome.alarms]
    assert raised == [("motor_stall", True)]  # which says that less was given
    assert 480 * 60_000_000 < outcome.alarms[0].raised_us < 485 * 60_000_000
    assert outcome.state == "infusing"


def test_a_power_cut():
    outcome = run(
        event("90min", "patient_bolus"), event("2.5h", "power_cut", for_="1min"), event("151min", "stop")
    )
    assert outcome.resets == 1
    assert outcome.steps >= 5000
    assert [x.reason for x in outcome.boluses] == ["lockout"]


def test_commands_without_power(tmp_path: Path):
    trace = tmp_path / "trace"
    events = parse_events(
        event("3h", "patient_bolus") + event("182min", "power_cut") + event("4h", "stop"), "", tmp_path
    )
    outcome = simulate(Plan(parse_therapy(MORPHINE), DAY_US, events, seed=1, trace=trace))
    assert outcome.state == "off"
    assert boluses(outcome) == [("patient", 3 * HOUR_US, "cut_short", None, 2_000_000)]
    assert [(x.what, x.reason) for x in outcome.refusals] == [("stop", "off")]
    assert outcome.steps == len(trace.read_bytes()) // 8 == (182 * 5_000_000 // 60 + 2_000_000) // 2500


def test_the_trace_goes_on_after_a_power_cut(tmp_path: Path):
    trace = tmp_path / "trace"
    events = parse_events(event("2h", "power_cut", for_="1h"), "", tmp_path)
    plan = Plan(parse_therapy(MORPHINE), DAY_US, events, seed=1, trace=trace, flash=tmp_path / "flash")
    outcome = simulate(plan)
    assert outcome.resets == 1
    assert outcome.steps == len(trace.read_bytes()) // 8


@pytest.mark.req("DEL-07", part="a line that loses and spoils frames")
def test_a_noisy_line_changes_no_dose():
    outcome = run(
        event("1h", "link_noise", bit_error_rate="3e-4"),
        *(event(f"{hour}h", "patient_bolus") for hour in (3, 5, 7)),
        event("8h", "stop"),
        event("9h", "resume"),
        hours=10,
    )
    assert [x.outcome for x in outcome.boluses] == ["delivered"] * 3
    assert outcome.steps == outcome.ledger.accounted_steps == (9 * 5_000_000 + 3 * 5_000_000) // 2500


def test_faults_in_a_power_cut_cannot_be():
    with pytest.raises(TherapyError, match=r"event\[2\].at: this motor_stall falls within a power cut"):
        run(event("1h", "power_cut", for_="1h"), event("90min", "motor_stall", for_="1h"))


PERIODIC = '[[periodic_bolus]]\ndose = "40 ng"\nduration = "1 s"\nevery = "30 min"\nfirst = "1 min"\n'


def test_a_log_is_read_before_it_wraps():
    outcome = simulate(Plan(parse_therapy(CONSTANT + PERIODIC), 24 * DAY_US, seed=1))
    given = [x for x in outcome.boluses if x.outcome == "delivered"]
    assert len(given) == 24 * 48
    assert [x.at_us for x in given] == [60_000_000 + 1_800_000_000 * n for n in range(24 * 48)]
    assert outcome.ledger.volume_pl_by_source["periodic_bolus"] == 24 * 48 * 2000


def test_a_lost_record_is_no_secret(monkeypatch: pytest.MonkeyPatch):
    # 96 records a day: the ring of doses, with the segment in use, keeps up to 5,610
    def expect_none(pump: SimulatedPump, therapy: object) -> None:
        pump._piece_us = 60 * DAY_US

    monkeypatch.setattr(SimulatedPump, "_expect_records", expect_none)
    with pytest.raises(SimulationError, match="the pump's log wrapped: records"):
        simulate(Plan(parse_therapy(CONSTANT + PERIODIC), 60 * DAY_US, seed=1))


def test_many_requests_at_one_instant():
    outcome = run(event("0s", "stop"), *(event("1h", "patient_bolus") for _ in range(300)), hours=2)
    assert len(outcome.boluses) == len(outcome.refusals) == 300


def test_repeatable(tmp_path: Path):
    def once(name: str) -> dict[str, object]:
        events = parse_events(
            event("1h", "link_noise", bit_error_rate="1e-4") + event("2h", "patient_bolus"), "", tmp_path
        )
        plan = Plan(parse_therapy(MORPHINE), DAY_US, events, seed=7, trace=tmp_path / name)
        document = simulation_json(simulate(plan))
        del document["wall_s"]
        return document

    assert once("one") == once("two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
