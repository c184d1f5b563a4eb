"""The pump's state, one table: state x event -> state. It alone says whether steps may be handed out.

A state is kept as a code word of 8 bits, with its complement; two words differ in at least four bits, so no
one to three flipped bits turn one state into another. A word that is none, or not the complement of its
complement, is no state: then nothing may flow (INT-05). docs/reference/states.md is made from this file.

Nothing here allocates.
"""

from thecal_protocol.states import COUNT, FAULT, SELF_TEST

UNKNOWN = COUNT  # the word is damaged: shown as FAULT

# Events: columns of the table.
FLOW = 0  # therapy begins or goes on: a commit, a resume, the end of a timed stop, a start with such records
REST = 1  # therapy is not to flow: a stop, a start delay, a start with such records
IDLE = 2  # there is no program
HOLD = 3  # an alarm holds: the minimum rate at most
HALT = 4  # an alarm stops
RELEASE = 5  # no alarm holds or stops any longer
FATAL = 6  # a fatal alarm
CLEAR = 7  # the fault is cleared
EVENTS = ("flow", "rest", "idle", "hold", "halt", "release", "fatal", "clear")

# What may leave the pump in a state.
NOTHING = 0
MINIMUM = 1
THERAPY = 2
FLOWS = bytes((NOTHING, THERAPY, NOTHING, NOTHING, MINIMUM, NOTHING, NOTHING))

_NO = 15  # refused: the state stays
_COLUMNS = 8
# fmt: off
_TABLE = bytes((
    # flow, rest, idle, hold, halt, release, fatal, clear
    1, 2, 0, 0, 0, 0, 3, _NO,  # unprogrammed
    1, 2, 0, 4, 5, 1, 3, _NO,  # infusing
    1, 2, 0, 2, 2, 2, 3, _NO,  # stopped
    _NO, 3, _NO, 3, 3, 3, 3, 6,  # fault
    1, 2, 0, 4, 5, 1, 3, _NO,  # held
    1, 2, 0, 4, 5, 1, 3, _NO,  # halted
    1, 2, 0, 6, 6, 6, 3, _NO,  # self_test
))
# fmt: on
WORDS = bytes((0x0F, 0x33, 0x55, 0x3C, 0x5A, 0x66, 0x69))  # of the code with distance 4
_ALL = 0xFF


class Machine:
    """One state, doubly stored."""

    def __init__(self):
        self.word = WORDS[SELF_TEST]
        self.inverse = self.word ^ _ALL

    def state(self) -> int:
        """UNKNOWN when the word is damaged."""
        if self.word ^ self.inverse == _ALL:
            for state in range(len(WORDS)):
                if WORDS[state] == self.word:
                    return state
        return UNKNOWN

    def flows(self) -> int:
        """NOTHING, MINIMUM or THERAPY."""
        state = self.state()
        return FLOWS[state] if state < UNKNOWN else NOTHING

    def may_run(self) -> bool:
        """May a run be handed out?"""
        word = self.word
        return (word == 0x33 or word == 0x5A) and word ^ self.inverse == _ALL

    def apply(self, event: int) -> bool:
        """An event happens; False when the table refuses it. From a damaged state only a fault leads on."""
        state = self.state()
        if state == UNKNOWN:
            if event != FATAL:
                return False
            state = FAULT
        following = _TABLE[state * _COLUMNS + event]
        if following == _NO:
            return False
        self.word = WORDS[following]
        self.inverse = self.word ^ _ALL
        return True


def following(state: int, event: int) -> int:
    """The table, for docs and tests: the next state, or -1 where it is refused."""
    found = _TABLE[state * _COLUMNS + event]
    return -1 if found == _NO else found
