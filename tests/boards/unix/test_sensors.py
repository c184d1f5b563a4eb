"""Sensors, fluid, buzzer, button and light of the unix board, and what the bench makes of them."""

import zlib
from collections.abc import Iterator

import pytest

from boards.unix.remote import Remote, Run, remote_emulator
from thecal.emulator.emulator import Emulator
from thecal.errors import SimulationError

S = 1_000_000
HOUR_US = 3600 * S
DAY_US = 24 * HOUR_US
NO_READING = -(1 << 29)


class Rig(Remote):
    """A board worked by hand, and its sensors."""

    def sample(self) -> tuple[int, int, int, int]:
        self.call("sensors.sample")
        names = ("temperature_mc", "battery_mv", "upstream_pa", "downstream_pa")
        return tuple(self.read(f"sensors.{name}") for name in names)

    def temperature(self) -> int:
        return self.sample()[0]

    def make_steps(self, count: int) -> None:
        """A millisecond each."""
        while count:
            now_us = self.bench.now()
            run = Run(steps=min(64, count), first_us=now_us + 1000, gap_us=1000)
            self.append(run)
            self.bench.advance_to(now_us + 65_000)
            count -= run.steps


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with remote_emulator(seed=1) as pump:
        yield pump


@pytest.fixture
def rig(emulator: Emulator) -> Iterator[Rig]:
    with Rig(emulator) as board:
        board.bench.set_step_volume(2500)
        board.bench.fill(20_000_000_000)
        yield board


def test_there_is_no_reading_before_the_first_sample(rig: Rig):
    assert rig.read("sensors.temperature_mc") == NO_READING == rig.read("sensors.NO_READING")


def test_normal_readings_stay_normal_for_a_month_and_differ(rig: Rig):
    seen = []
    for hour in range(0, 720, 5):
        rig.bench.advance_to(hour * HOUR_US + 1)
        seen.append(rig.sample())
    temperature, battery, upstream, downstream = zip(*seen, strict=True)
    assert 36_700 <= min(temperature) < 36_850
    assert 37_150 < max(temperature) <= 37_300
    assert 3_200 <= min(battery) <= max(battery) <= 3_254
    assert -150 <= min(upstream) < -80
    assert 80 < max(upstream) <= 150
    assert 700 <= min(downstream) < 800
    assert 1200 < max(downstream) <= 1300


def test_the_same_seed_and_instant_show_the_same(rig: Rig):
    rig.bench.advance_to(5 * HOUR_US)
    first = rig.sample()
    assert rig.sample() == first
    with remote_emulator(seed=1) as twin, Rig(twin) as other:
        other.sample()
        other.bench.set_step_volume(2500)
        other.bench.fill(20_000_000_000)
        other.bench.advance_to(5 * HOUR_US)
        assert other.sample() == first
    with remote_emulator(seed=2) as stranger, Rig(stranger) as other:
        other.bench.advance_to(5 * HOUR_US)
        assert other.sample()[0] != first[0]


def battery_life(rig: Rig, steps_per_day: int) -> list[int]:
    """Days after which the cell shows 2700 mV and 2400 mV, had it made so many steps a day: by its charge."""
    days = []
    for millivolts in (2700, 2400):
        low, high = 0, 10_000
        while low < high:
            middle = (low + high) // 2
            drawn_uc = middle * (86_400 * 30 + steps_per_day * 4)
            permille = max(0, 1000 - drawn_uc * 1000 // 7_200_000_000)
            rig.bench.inject_raw("battery_level", charge_permille=permille)
            if rig.sample()[1] < millivolts:
                high = middle
            else:
                low = middle + 1
        days.append(low)
    return days


def test_the_battery_lasts_years_and_warns_90_days_before_the_end(rig: Rig):
    replace, end = battery_life(rig, 400_000)
    assert 4 * 365 < replace < end < 5 * 365
    assert 75 <= end - replace <= 95


def test_steps_and_time_draw_the_battery_down(rig: Rig):
    rig.bench.battery_level(50)
    assert abs(rig.sample()[1] - 2950) <= 4
    rig.bench.advance_to(365 * DAY_US)
    by_time = 365 * 86_400 * 30 * 1000 // 7_200_000_000
    assert rig.bench.truth().charge_permille in (500 - by_time - 1, 500 - by_time)
    rig.bench.battery_level(0)
    assert abs(rig.sample()[1] - 2200) <= 4
    rig.bench.inject_raw("battery_level", millivolts=3000)
    assert abs(rig.sample()[1] - 3000) <= 4


def test_a_forced_temperature_ends_by_itself(rig: Rig):
    rig.bench.temperature(43_000, for_us=10 * S)
    assert abs(rig.temperature() - 43_000) <= 100
    rig.bench.advance_by(10 * S - 1)
    assert abs(rig.temperature() - 43_000) <= 100
    rig.bench.advance_by(1)
    assert rig.temperature() < 38_000


def test_a_later_condition_takes_the_place_of_an_earlier_one(rig: Rig):
    rig.bench.temperature(43_000, for_us=10 * S)
    rig.bench.temperature(40_000, for_us=20 * S)
    rig.bench.advance_by(15 * S)
    assert abs(rig.temperature() - 40_000) <= 100
    rig.bench.inject_raw("temperature", ends=1)
    assert rig.temperature() < 38_000


def test_a_stuck_sensor_shows_the_same_for_ever(rig: Rig):
    rig.bench.sensor("stuck", "battery")
    shown = {rig.sample()[1]}
    for _ in range(5):
        rig.bench.advance_by(HOUR_US)
        shown.add(rig.sample()[1])
    assert len(shown) == 1
    rig.bench.sensor("stuck", "battery", ends=True)
    assert len({rig.sample()[1] for _ in range(20) if rig.bench.advance_by(HOUR_US)}) > 1


@pytest.mark.parametrize(
    ("which", "at"), [("temperature", 0), ("battery", 1), ("upstream", 2), ("downstream", 3)]
)
def test_a_missing_sensor_and_only_that_one(rig: Rig, which, at):
    rig.bench.sensor("missing", which, for_us=S)
    assert [reading == NO_READING for reading in rig.sample()] == [i == at for i in range(4)]
    rig.bench.advance_by(S)
    assert NO_READING not in rig.sample()


def test_noise(rig: Rig):
    rig.bench.sensor("noise", "temperature")
    seen = [rig.temperature() for _ in range(30) if rig.bench.advance_by(S)]
    assert max(seen) - min(seen) > 600


def test_sampling_and_conditions_that_end_do_not_allocate_while_time_passes(tmp_path):
    script = tmp_path / "sampling.py"
    script.write_text(
        "from board import Board\nboard = Board()\nboard.ticks_us()\nboard.watchdog.start(2000)\n"
        "while True:\n    board.sensors.sample()\n    board.buzzer.play(3)\n    board.button.presses()\n"
        "    board.motor.lost_steps()\n    board.watchdog.feed()\n    board.wait_us(60000000)\n"
    )
    with Emulator(script=script, seed=1) as pump:
        pump.bench.advance_to(HOUR_US)
        pump.bench.temperature(41_000, for_us=HOUR_US)
        pump.bench.occlusion(for_us=HOUR_US)
        pump.bench.advance_to(DAY_US, locked=True)
        assert pump.bench.truth().waits >= 24 * 60


def test_a_blocked_catheter_builds_up_pressure_until_the_motor_jams(rig: Rig):
    rig.make_steps(100)
    rig.bench.occlusion()
    rig.make_steps(1000)
    truth = rig.bench.truth()
    assert (truth.left_pl, truth.reservoir_pl) == (100 * 2500, 20_000_000_000 - 1100 * 2500)
    assert abs(rig.sample()[3] - (1000 + 25_000)) <= 300
    assert rig.call("motor.lost_steps") == 0
    rig.make_steps(5100)
    assert (rig.call("motor.lost_steps"), rig.bench.truth().steps) == (100, 6100)
    assert abs(rig.sample()[3] - 151_000) <= 300
    rig.bench.occlusion(ends=True)
    assert rig.bench.truth().left_pl == 6100 * 2500
    assert abs(rig.sample()[3] - 1000) <= 300
    rig.make_steps(10)
    assert (rig.call("motor.lost_steps"), rig.bench.truth().left_pl) == (100, 6110 * 2500)


def test_a_jam_in_the_middle_of_a_traced_run(rig: Rig, tmp_path):
    rig.bench.mark()
    rig.bench.trace(tmp_path / "trace")
    rig.bench.occlusion()
    rig.make_steps(6030)
    rig.bench.trace(None)
    assert (tmp_path / "trace").stat().st_size == 8 * 6000
    assert rig.bench.truth().lost_steps == 30


def test_a_blocked_inlet_draws_a_vacuum_and_then_nothing(rig: Rig):
    rig.bench.occlusion("upstream")
    rig.make_steps(1000)
    assert abs(rig.sample()[2] + 25_000) <= 150
    rig.make_steps(4000)
    truth = rig.bench.truth()
    assert (truth.steps, truth.left_pl) == (5000, 8_000_000)
    assert abs(rig.sample()[2] + 80_000) <= 150
    assert rig.call("motor.lost_steps") == 0
    rig.bench.occlusion("upstream", ends=True)
    assert abs(rig.sample()[2]) <= 150


def test_an_empty_reservoir_gives_nothing_and_pulls(rig: Rig):
    rig.bench.fill(500_000_000)
    assert abs(rig.sample()[2] + 10_000) <= 150
    rig.bench.fill(25_000)
    rig.make_steps(100)
    truth = rig.bench.truth()
    assert (truth.reservoir_pl, truth.left_pl) == (0, 25_000)
    assert abs(rig.sample()[2] + 20_000) <= 150


def test_a_disabled_motor_moves_nothing_whatever_is_queued(rig: Rig):
    rig.append(Run(steps=60, first_us=rig.bench.now() + 1000, gap_us=1000))
    rig.bench.advance_by(10_500)
    rig.call("motor.disable")
    assert rig.bench.truth().enabled is False
    rig.bench.advance_by(20_000)
    rig.call("motor.enable")
    rig.bench.advance_by(100_000)
    truth = rig.bench.truth()
    assert (rig.executed(), rig.call("motor.lost_steps")) == (60, 20)
    assert (truth.steps, truth.lost_steps, truth.left_pl) == (40, 20, 40 * 2500)


def test_the_buzzer_plays_a_pattern_out(rig: Rig):
    rig.bench.advance_by(S)
    rig.call("buzzer.play", 2)
    truth = rig.bench.truth()
    assert (truth.buzzer, truth.buzzer_since_us, truth.buzzer_plays) == (2, S, 1)
    rig.bench.advance_by(3 * S - 1)
    assert rig.bench.truth().buzzer == 2
    rig.bench.advance_by(1)
    assert rig.bench.truth().buzzer == 0
    rig.call("buzzer.play", 1)
    rig.call("buzzer.play", 0)
    assert rig.bench.truth().buzzer == 0
    assert rig.call("buzzer.works") is True
    rig.bench.buzzer_broken(for_us=S)
    rig.call("buzzer.play", 1)
    assert (rig.call("buzzer.works"), rig.bench.truth().buzzer) == (False, 0)
    rig.bench.advance_by(S)
    rig.call("buzzer.play", 1)
    assert (rig.call("buzzer.works"), rig.bench.truth().buzzer) == (True, 1)


def test_light_and_button(rig: Rig):
    rig.call("led", True)
    assert rig.bench.truth().led is True
    rig.bench.press_button()
    rig.bench.press_button()
    assert rig.call("button.presses") == rig.bench.truth().presses == 2


def test_the_code_is_compared_with_the_manifest(tmp_path):
    with remote_emulator() as pump, Remote(pump) as board:
        assert board.call("code.check") == -1
    with remote_emulator(manifest=True) as pump, Remote(pump) as board:
        assert board.call("code.check") == 1
        pump.bench.inject_raw("code_damage")
        assert board.call("code.check") == 0
        pump.bench.inject_raw("code_damage", ends=1)
        assert board.call("code.check") == 1
    for text, verdict in (("00000000 /nowhere.py\n", 0), ("", -1)):
        (tmp_path / "manifest").write_text(text)
        with (
            remote_emulator(settings={"manifest": str(tmp_path / "manifest")}) as pump,
            Remote(pump) as board,
        ):
            assert board.call("code.check") == verdict


def test_the_code_is_compared_file_by_file(tmp_path):
    """The first file is good, the second is damaged on the flash and put right again."""
    files = [tmp_path / name for name in ("one.py", "two.py")]
    for file in files:
        file.write_text(f"{file.name} = 1\n" * 1000)
    manifest = tmp_path / "manifest"
    manifest.write_text("".join(f"{zlib.crc32(file.read_bytes()):08x} {file}\n" for file in files))
    with remote_emulator(settings={"manifest": str(manifest)}) as pump, Remote(pump) as board:
        assert [board.call("code.check_next") for _ in range(4)] == [2, 2, 1, 2]
        whole = files[1].read_bytes()
        files[1].write_bytes(whole[:-1] + b"!")
        assert [board.call("code.check_next") for _ in range(3)] == [0, 2, 0]
        files[1].write_bytes(whole)
        assert [board.call("code.check_next") for _ in range(3)] == [2, 2, 1]
        assert board.call("code.check") == 1


@pytest.mark.parametrize(
    ("what", "values", "error"),
    [
        ("temperature", {}, "millicelsius must be"),
        ("temperature", {"millicelsius": 40_000, "for_us": 0}, "for_us must be"),
        ("battery_level", {"percent": 101}, "percent is at most 100"),
        ("battery_level", {}, "millivolts must be"),
        ("pressure", {"pa": 1}, "which is one of downstream, upstream"),
        ("sensor_stuck", {"which": "nose"}, "which is one of battery"),
        ("occlusion", {"where": "left"}, "where is one of downstream, upstream"),
    ],
)
def test_conditions_that_cannot_be_are_refused(rig: Rig, what, values, error):
    with pytest.raises(SimulationError, match=error):
        rig.bench.inject_raw(what, **values)
