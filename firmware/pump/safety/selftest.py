"""Self tests: at every start before the first step, and when asked (INT-01). The first that fails stops them.

What only warns is an alarm instead: a sensor that is silent, an empty battery, a tone that is not heard (then
no therapy starts anew, ALM-05), records that are not trusted (then there is no program).

Allocates: start and commands only.
"""

from array import array

from thecal_protocol.self_tests import CLOCK, CODE, CRITICAL_VALUES, MEMORY, PASSED, RECORDS

_SCRATCH = 1024
_TICKS_MASK = 0x3FFFFFFF
_LOOKS = 16
_SECOND_US = 1_000_000


def clock_runs(board) -> bool:
    """The ticks stay in 30 bits, and go on or stand, by less than a second between two looks."""
    before = board.ticks_us()
    for _ in range(_LOOKS):
        now = board.ticks_us()
        if not 0 <= now <= _TICKS_MASK or (now - before) & _TICKS_MASK > _SECOND_US:
            return False
        before = now
    return True


def march(memory) -> bool:
    """March C-: up, down, every cell 0 and 1 in every bit, both ways of change. What was in it is lost."""
    size = len(memory)
    for i in range(size):
        memory[i] = 0
    for old, new in ((0, 0xFF), (0xFF, 0), (0, 0x55), (0x55, 0xAA)):
        for i in range(size):
            if memory[i] != old:
                return False
            memory[i] = new
    for old, new in ((0xAA, 0x55), (0x55, 0xFF), (0xFF, 0)):
        for i in range(size - 1, -1, -1):
            if memory[i] != old:
                return False
            memory[i] = new
    return True


def failed(board, critical, persistence) -> int:
    """The first test that fails; PASSED."""
    if not clock_runs(board):
        return CLOCK
    if not march(array("B", bytes(_SCRATCH))):
        return MEMORY
    if board.code.check() == 0:
        return CODE
    if persistence.failed and not persistence.distrust:
        return RECORDS
    if critical.damaged_program() or critical.damaged_run():
        return CRITICAL_VALUES
    return PASSED
