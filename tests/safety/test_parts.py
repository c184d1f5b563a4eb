"""States, alarms, critical values, self tests and supervisor, each on the rig of the whole guard."""

from pathlib import Path

import pytest

import alarms_page
import states_page
from pump.safety import alarms as a
from pump.safety import critical, selftest, states
from pump.safety.supervisor import Supervisor
from safety.rig import Board, Guarded, Keeper, Motor, Store, Word, refused
from wire import guard as wire


def rig(**changes: object) -> Guarded:
    found = Guarded(1_000_000_000_123, **{"basal_dose_ng_per_day": 20_000_000, **changes})
    found.run_for(600)
    return found


# --- states


@pytest.mark.req("INT-05", part="code words of the states")
def test_state_words_differ_in_four_bits():
    words = [*states.WORDS, 0x00, 0xFF]
    assert all((x ^ y).bit_count() >= 4 for i, x in enumerate(words) for y in words[:i])


@pytest.mark.req("INT-05", part="the state")
@pytest.mark.parametrize("state", range(7))
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 0x80])
@pytest.mark.parametrize("which", ["word", "inverse"])
def test_a_damaged_state_lets_nothing_out(state: int, bits: int, which: str):
    machine = states.Machine()
    machine.word = states.WORDS[state]
    machine.inverse = machine.word ^ 0xFF
    assert machine.state() == state
    assert machine.may_run() == (states.FLOWS[state] > 0)
    setattr(machine, which, getattr(machine, which) ^ bits)
    assert machine.state() == states.UNKNOWN
    assert not machine.may_run()
    assert machine.flows() == states.NOTHING
    assert not machine.take(states.FLOW)
    assert machine.take(states.FATAL)
    assert machine.state() == states.FAULT


@pytest.mark.req("INT-08", part="no way out of a fault but clearing it")
def test_a_fault_is_left_by_clear_alone():
    for event in range(len(states.EVENTS)):
        following = states.following(states.FAULT, event)
        assert following in ((states.SELF_TEST,) if event == states.CLEAR else (-1, states.FAULT))
    reaching = [
        (state, event)
        for state in range(7)
        for event in range(len(states.EVENTS))
        if states.following(state, event) == states.INFUSING
    ]
    assert all(event in (states.FLOW, states.RELEASE) for _, event in reaching)
    assert (states.STOPPED, states.RELEASE) not in reaching


@pytest.mark.req("ALM-01", part="code and docs share the table")
def test_the_pages_are_up_to_date():
    assert states_page.PAGE.read_text(encoding="utf-8") == states_page.written()
    assert alarms_page.PAGE.read_text(encoding="utf-8") == alarms_page.written()
    assert states_page.main(["--check"]) == alarms_page.main(["--check"]) == 0


# --- alarms


@pytest.mark.req("ALM-01")
def test_every_alarm_has_one_class_and_one_action(repo_root: Path):
    numbers = [row[0] for row in wire.ALARMS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len({row[1] for row in wire.ALARMS}) == len(numbers) == a.COUNT - 1
    assert {row[2] for row in wire.ALARMS} == {"critical", "noncritical"}
    assert {row[3] for row in wire.ALARMS} <= {wire.NONE, wire.HOLD, wire.STOP, wire.FATAL}
    assert all(row[2] == "critical" for row in wire.ALARMS if row[3] != wire.NONE)
    page = (repo_root / "docs" / "alarms.md").read_text(encoding="utf-8")
    assert all(f"| {row[0]} | `{row[1]}` | {row[2]} |" in page for row in wire.ALARMS)


@pytest.mark.req("ALM-02")
@pytest.mark.parametrize("order", [(a.LOW_RESERVOIR, a.MOTOR_STALL), (a.MOTOR_STALL, a.LOW_RESERVOIR)])
def test_the_highest_class_is_announced_whatever_the_order(order: tuple[int, int]):
    alarms = rig().guard.alarms
    for number in order:
        alarms.raise_(number)
    assert alarms.announced() == a.MOTOR_STALL
    assert alarms.to_sound() == 2
    alarms.confirm(a.MOTOR_STALL)
    assert alarms.announced() == a.MOTOR_STALL
    assert alarms.to_sound() == 1
    alarms.clear(a.MOTOR_STALL)
    assert alarms.announced() == a.LOW_RESERVOIR


@pytest.mark.req("ALM-02", part="tones")
def test_tones_come_hourly_or_every_ten_minutes():
    found = rig()
    played = found.board.buzzer.played
    start = found.now()[0]
    found.guard.alarms.raise_(a.LOW_RESERVOIR)
    found.guard.reservoir._low_at = 0
    found.run_for(7_300)
    assert [(s - start, p) for s, p in played if p == 1] == [(0, 1), (3_600, 1), (7_200, 1)]
    start = found.now()[0]
    found.tick()
    found.guard.alarms.raise_(a.EOS)
    found.run_for(1_900)
    assert [(s - start, p) for s, p in played if p == 2] == [(0, 2), (600, 2), (1_200, 2), (1_800, 2)]


@pytest.mark.req("ALM-03")
def test_silence_of_a_critical_alarm_ends_after_two_minutes():
    found = rig()
    alarms = found.guard.alarms
    alarms.raise_(a.EOS)
    found.run_for(30)
    start = found.now()[0]
    found.tick()
    assert alarms.silence(start) == 120
    found.run_for(400)
    assert [s - start for s, pattern in found.board.buzzer.played if pattern == 2 and s > start] == [120]
    assert alarms.stands(a.EOS)


@pytest.mark.req("ALM-03", part="another critical one breaks the silence")
def test_a_new_critical_alarm_is_heard_at_once():
    found = rig()
    alarms = found.guard.alarms
    alarms.raise_(a.LOW_RESERVOIR)
    found.guard.reservoir._low_at = 0
    found.run_for(5)
    found.tick()
    assert alarms.silence(found.now()[0]) == 3_600
    found.run_for(60)
    found.tick()
    alarms.raise_(a.MOTOR_STALL)
    s = found.now()[0]
    found.run_for(1)
    assert found.board.buzzer.played[-1] == (s, 2)


@pytest.mark.req("ALM-04")
def test_confirming_ends_the_tone_and_never_the_condition():
    found = rig()
    found.board.sensors.shown[0] = 43_000
    found.run_for(700)
    assert found.state() == states.HALTED
    assert found.guard.alarms.confirm(0) == 1
    count = len(found.board.buzzer.played)
    found.run_for(3_600)
    assert found.standing() == [a.TEMPERATURE_HIGH]
    assert found.state() == states.HALTED
    assert len(found.board.buzzer.played) == count
    found.board.sensors.shown[0] = 37_000
    found.run_for(60)
    found.board.sensors.shown[0] = 43_000
    found.run_for(700)
    assert found.board.buzzer.played[count:] != []


@pytest.mark.req("ALM-05")
def test_a_buzzer_that_is_not_heard():
    found = rig()
    found.board.buzzer.broken = True
    found.tick()
    found.guard.alarms.sound(1, found.now()[0])
    found.run_for(10)
    assert found.standing() == [a.ANNUNCIATOR]
    assert found.log.kinds(14)[-1][2] == a.ANNUNCIATOR
    assert found.state() == states.INFUSING  # a running therapy goes on
    found.tick()
    found.course.stop(0, *found.now())
    assert refused(found.course.resume, *found.now()) == "annunciator"
    found.board.buzzer.broken = False
    found.guard.alarms.sound(1, found.now()[0])
    found.run_for(10)
    assert refused(found.course.resume, *found.now()) is None


@pytest.mark.req("ALM-06")
def test_a_stop_of_two_days_is_critical():
    found = rig()
    found.course.stop(0, *found.now())
    found.run_for(1_799)
    assert found.standing() == []
    found.run_for(2)
    assert found.standing() == [a.MAX_PAUSE]
    found.run_for(172_800 - 1_802)
    assert found.standing() == [a.MAX_PAUSE]
    found.run_for(2)
    assert found.standing() == [a.MAX_PAUSE, a.STOPPED_48H]
    assert found.guard.alarms.announced() == a.STOPPED_48H
    found.tick()
    found.course.resume(*found.now())
    assert found.standing() == []


@pytest.mark.req("MOT-04")
def test_the_same_fault_three_times_in_ten_minutes_stops():
    found = rig()
    for time in range(3):
        found.board.sensors.shown[3] = 60_000
        found.run_for(100 if time else 400)
        found.board.sensors.shown[3] = 1_000
        found.run_for(60)
    assert found.state() == states.FAULT
    assert a.REPEATED in found.standing()
    assert found.guard.alarms.details[a.REPEATED] == a.OCCLUSION_DOWN


@pytest.mark.req("MOT-04", part="not when it comes rarely")
def test_a_fault_that_comes_rarely_does_not_stop():
    found = rig()
    for _ in range(5):
        found.board.sensors.shown[3] = 60_000
        found.run_for(400)
        found.board.sensors.shown[3] = 1_000
        found.run_for(400)
    assert found.state() == states.INFUSING


# --- critical values


def flip(name: str, bit: int) -> None:
    holder, key = critical.VALUES[name]
    if key is None:
        holder[bit // 15 % 4] ^= 1 << bit % 15
    elif isinstance(holder, dict):
        holder[key] ^= 1 << bit
    else:
        setattr(holder, key, getattr(holder, key) ^ 1 << bit)


ARRAYS = ["rate", "unit", "base_rate", "ceiling", "modulus"]
ARRAYS += [f"stride_{k}" for k in range(7)] + [f"stride_rest_{k}" for k in range(7)]
NUMBERS = ["gap_s", "gap_us", "permit", "state"]


@pytest.mark.req("INT-05")
@pytest.mark.parametrize("name", ARRAYS + NUMBERS)
def test_one_flipped_bit_is_found_before_the_next_run(name: str):
    for bit in (0, 1, 5, 7) if name == "state" else (0, 1, 7, 14, 29):
        found = rig()
        flip(name, bit)
        handed = len(found.motor.made) + len(found.motor.queue)
        found.run_for(600)
        assert found.state() == states.FAULT, (name, bit)
        assert found.standing() == [a.MEMORY]
        assert not found.motor.enabled
        assert len(found.motor.made) + len(found.motor.queue) <= handed


PROGRAM = ["step_volume_pl", "max_rate_pl_per_day", "basal_dose_ng_per_day", "max_pause_s"]
PROGRAM += ["concentration_ng_per_ml_0", "max_dose_24h_ng_0", "patient_dose_ng", "patient_lockout_us"]
PROGRAM += ["low_reservoir_pl", "limit_1h", "limit_24h"]


@pytest.mark.req("INT-05", "INT-02", part="the program's numbers")
@pytest.mark.parametrize("name", PROGRAM)
def test_a_flipped_number_of_the_program_is_found(name: str):
    bolus = {"dose_ng": 50_000, "duration_us": 60_000_000, "lockout_us": 1_000_000, "max_per_24h": 9}
    for bit in (0, 3, 20):
        found = rig(patient_bolus=[dict(bolus)])
        flip(name, bit)
        assert not found.guard.check_values()
        found = rig(patient_bolus=[dict(bolus)])
        flip(name, bit)
        found.run_for(310)  # by the periodic check
        assert found.standing() == [a.MEMORY]


@pytest.mark.req("INT-05", part="nothing is found where nothing is")
def test_sound_values_are_sound():
    found = rig()
    assert found.guard.check_values()
    assert found.guard.critical.damaged_run() == 0


# --- self tests


@pytest.mark.req("INT-01")
@pytest.mark.parametrize("test", ["code", "memory", "clock", "records"])
def test_the_first_failed_test_stops_the_pump(test: str, monkeypatch: pytest.MonkeyPatch):
    board = Board(Motor())
    if test == "code":
        board.code.good = 0
    elif test == "memory":
        monkeypatch.setattr(selftest, "march", lambda memory: False)
    elif test == "clock":
        monkeypatch.setattr(selftest, "clock_runs", lambda board: False)
    number = {name: n for n, name in wire.SELF_TESTS}[test]
    monkeypatch.setattr(Keeper, "failed", test == "records")
    found = Guarded(1_000_000_000_123, board)
    assert found.state() == states.FAULT
    raised = a.FAULT if test == "records" else a.SELF_TEST
    assert found.standing() == [raised]
    assert found.guard.alarms.details[raised] == (2 if test == "records" else number)
    assert refused(found.program) == "alarm"
    found.run_for(600)
    assert found.motor.executed() == 0


@pytest.mark.req("INT-01", part="memory march")
@pytest.mark.parametrize(("bit", "value"), [(0, 0), (0, 1), (7, 0), (7, 1)])
def test_a_stuck_bit_of_memory_is_found(bit: int, value: int):
    class Memory:
        def __init__(self):
            self.cells = bytearray(128)

        def __len__(self):
            return 128

        def __getitem__(self, index):
            return self.cells[index]

        def __setitem__(self, index, new):
            if index == 77:
                new = new | 1 << bit if value else new & ~(1 << bit)
            self.cells[index] = new

    assert not selftest.march(Memory())
    assert selftest.march(bytearray(128))


@pytest.mark.req("INT-01", part="no step before the tests have passed")
def test_nothing_runs_before_the_tests():
    found = rig()
    found.guard.testing = True
    assert not found.guard.may_run()
    found.guard.testing = False
    assert found.guard.may_run()


# --- supervisor


@pytest.mark.req("INT-08")
def test_the_first_fault_latches_over_a_reset():
    store, latch = Store(), Word()
    found = Guarded(1_000_000_000_123, Board(Motor(), store, latch), basal_dose_ng_per_day=20_000_000)
    found.run_for(600)
    found.tick()
    found.guard.fatal(a.DOSE_GUARD, 3)
    found.guard.fatal(a.MEMORY, 1)
    assert (found.guard.latch.number, found.guard.latch.detail) == (a.DOSE_GUARD, 3)
    for again in (Board(Motor(), store, Word()), Board(Motor(), Store(), latch)):  # power off; flash lost
        restarted = Guarded(2_000_000_000_000, again)
        assert restarted.state() == states.FAULT
        assert (restarted.guard.latch.number, restarted.guard.latch.detail) == (a.DOSE_GUARD, 3)
        assert not restarted.motor.enabled
        assert refused(restarted.program) == "alarm"


@pytest.mark.req("INT-08", part="the way back")
def test_clearing_a_fault_leads_to_a_stopped_pump():
    found = rig()
    found.tick()
    assert refused(found.guard.clear_fault, *found.now()) == "no_alarm"
    found.guard.fatal(a.OVER_INFUSION, 1)
    found.run_for(60)
    made = found.motor.executed()
    found.tick()
    found.board.code.good = 0
    assert refused(found.guard.clear_fault, *found.now()) == "self_test"
    found.board.code.good = 1
    found.guard.clear_fault(*found.now())
    assert found.state() == states.STOPPED
    found.run_for(600)
    assert found.standing() == []
    assert found.motor.executed() == made
    found.tick()
    found.course.resume(*found.now())
    found.run_for(864)
    assert abs(found.motor.executed() - made - 4_000) <= 1
    assert found.state() == states.INFUSING
    assert found.standing() == []


@pytest.mark.req("BOL-07", part="a fault in the steady path")
def test_what_a_bolus_gave_before_a_fault_is_recorded():
    found = rig(basal_dose_ng_per_day=2_400_000)
    found.bolus(1_000_000, 1_000)
    found.run_for(500)
    found.tick()
    found.guard.fatal(a.MEMORY, 1)
    cut = found.log.kinds(9)
    assert [(note[2], note[4]) for note in cut] == [(1, 25_000_000)]


@pytest.mark.req("INT-03")
def test_the_watchdog_is_fed_when_every_task_has_checked_in():
    found = rig()
    guard, dog = found.guard, found.board.watchdog
    found.tick()
    for tasks in range(8):
        before = dog.fed
        guard.tasks = tasks
        assert guard.feed()
        assert (dog.fed > before) == (tasks == 7)
    guard.tasks = 7
    guard.wake_s = found.now()[0] - 1  # the guard itself is overdue
    before = dog.fed
    guard.feed()
    assert dog.fed == before


@pytest.mark.req("INT-03", part="late by 2 s")
def test_a_late_turn_does_not_feed():
    found = rig()
    found.tick()
    found.delivery.wake.set(found.now()[0] - 2, 0)
    assert found.guard.may_catch_up(found.now()[0])
    before = found.board.watchdog.fed
    found.guard.tasks = 7
    assert not found.guard.feed()
    assert found.board.watchdog.fed == before
    assert found.guard.feed()
    assert found.board.watchdog.fed == before + 1
    assert len(found.log.kinds(42)) == 1


@pytest.mark.req("INT-03", part="the cap on catching up")
@pytest.mark.parametrize(("late_s", "fault"), [(600, False), (601, True)])
def test_past_the_cap_nothing_is_caught_up(late_s: int, fault: bool):
    found = rig()
    found.tick()
    found.delivery.wake.set(found.now()[0] - late_s, 0)
    assert found.guard.may_catch_up(found.now()[0]) != fault
    assert (found.state() == states.FAULT) == fault


class Stop(BaseException):
    """Ends the endless loop of a test."""


CRASHES = [(MemoryError, 3), (OSError, 4), (ValueError, 5), (KeyError, 5)]


@pytest.mark.req("INT-08", part="any exception ends in the safe state")
@pytest.mark.parametrize(("error", "detail"), CRASHES)
def test_any_exception_is_survived(error: type[Exception], detail: int):
    found = rig()
    found.tick()
    turns = []

    def turn() -> None:
        turns.append(found.state())
        if len(turns) == 1:
            raise error("planned")
        raise Stop

    with pytest.raises(Stop):
        Supervisor.run(found.guard, turn)
    assert turns == [states.INFUSING, states.FAULT]
    assert found.standing() == [a.FAULT]
    assert found.guard.alarms.details[a.FAULT] == detail
    assert not found.motor.enabled
    assert found.board.watchdog.timeout_ms <= 8_388
