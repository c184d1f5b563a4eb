"""Self tests at the start and later, on the rig of the whole guard."""

import pytest

from firmware.safety.rig import Board, Guarded, Motor, Persistence, refused, rig
from pump.safety import selftest, states
from thecal_protocol import alarms as alarm
from thecal_protocol import self_tests as wire


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
    monkeypatch.setattr(Persistence, "failed", test == "records")
    found = Guarded(1_000_000_000_123, board)
    assert found.state() == states.FAULT
    raised = alarm.FAULT if test == "records" else alarm.SELF_TEST
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
