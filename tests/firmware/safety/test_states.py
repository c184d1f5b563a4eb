"""The states of the pump: code words, the table, its page."""

import pytest

import alarms_page
import states_page
from pump.safety import states
from thecal_protocol import states as named


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
    assert not machine.apply(states.FLOW)
    assert machine.apply(states.FATAL)
    assert machine.state() == named.FAULT


@pytest.mark.req("INT-08", part="no way out of a fault but clearing it")
def test_a_fault_is_left_by_clear_alone():
    for event in range(len(states.EVENTS)):
        following = states.following(named.FAULT, event)
        assert following in ((named.SELF_TEST,) if event == states.CLEAR else (-1, named.FAULT))
    reaching = [
        (state, event)
        for state in range(7)
        for event in range(len(states.EVENTS))
        if states.following(state, event) == named.INFUSING
    ]
    assert all(event in (states.FLOW, states.RELEASE) for _, event in reaching)
    assert (named.STOPPED, states.RELEASE) not in reaching


@pytest.mark.req("ALM-01", part="code and docs share the table")
def test_the_pages_are_up_to_date():
    assert states_page.PAGE.read_text(encoding="utf-8") == states_page.written()
    assert alarms_page.PAGE.read_text(encoding="utf-8") == alarms_page.written()
    assert states_page.main(["--check"]) == alarms_page.main(["--check"]) == 0
