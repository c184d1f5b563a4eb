"""What runs in every turn of the main loop takes no memory for its frames either.

MicroPython keeps a frame of up to 11 words on the C stack. For a larger one it searches the heap, and gives
it back at the return (under a locked heap it takes the stack after all, so no lock shows it). Those searches
took up to half of the pump's instructions. docs/explanation/architecture.md, The steady path."""

from pathlib import Path

import pytest

from frames import frames

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
PROTOCOL = ROOT / "protocol"
ON_THE_STACK_WORDS = 11

STEADY = {
    "pump/pump.py": "turn _sleep _may_write",
    "pump/timebase.py": "until until_s",
    "pump/units.py": "by is_never subtract",
    "pump/dosing/delivery.py": "apply_due _all_planned _feed _may_hand_out _wake_at_low_water steps_left"
    " may_stall",
    "pump/dosing/step_count.py": "steps dose_steps primed_steps lost_steps primed_lost_steps",
    "pump/dosing/planner.py": "plan _reaches _advance _set_last is_fast",
    "pump/dosing/bigint.py": "less subtract used",
    "pump/link/server.py": "poll _regain_wakes",
    "pump/link/button_authorization.py": "poll",
    "pump/records/persistence.py": "is_due _is_low write_due reserve save _written",
    "pump/records/ledger.py": "save",
    "pump/records/state.py": "collect _collect_counts _put _collect_plan _mark_hours",
    "pump/records/event_log.py": "is_due",
    "pump/safety/states.py": "may_run state flows",
    "pump/safety/critical.py": "damaged_run damaged_program",
    "pump/safety/guard.py": "admits add_up _meter use_up evaluate _goes_on _close_window _judge_bands"
    " _judge_windows",
    "pump/safety/supervisor.py": "may_run admits evaluate _watch _judge _sample check_values feed",
    "pump/safety/monitor.py": "watch_motor sample judge is_suspect _fails _interval_s _value"
    " _judge_temperature _judge_pressures _judge_battery",
    "thecal_protocol/codec.py": "_check_whole _put_content",
    "pump/safety/alarms.py": "stands _end wake_s",
}


@pytest.mark.parametrize("file", STEADY)
def test_frames_of_the_steady_path_are_on_the_stack(file):
    path = (PROTOCOL if file.startswith("thecal_protocol/") else FIRMWARE) / file
    found = {name.rpartition(".")[2]: words for name, words in sorted(frames(path).items())}
    names = STEADY[file].split()
    assert set(names) <= set(found)
    assert {name: found[name] for name in names if found[name] > ON_THE_STACK_WORDS} == {}


def test_a_frame_is_its_variables_its_stack_and_three_words_for_each_try(tmp_path):
    source = tmp_path / "source.py"
    twelve = ", ".join(f"v{number}" for number in range(12))
    source.write_text(
        "def three(first, second, third):\n"
        "    return first\n"
        f"def twelve({twelve}):\n"
        "    return v0\n"
        "class Thing:\n"
        "    def tries(self):\n"
        "        try:\n"
        "            return self\n"
        "        finally:\n"
        "            return three\n"
    )
    found = frames(source)
    assert (found["three"], found["twelve"]) == (3 + 1, 12 + 1)
    assert found["Thing.tries"] >= 1 + 1 + 3
