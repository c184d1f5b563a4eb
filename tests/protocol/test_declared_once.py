"""A number is declared once, in its row, and the row's name is what firmware and host call it."""

import re
from pathlib import Path

import pytest

from pump.link.commands import Commands
from pump.link.guard_commands import GuardCommands
from thecal.link import session
from thecal_protocol import alarms, events, messages, refusals, reservoir, self_tests, sensors

TABLES = {
    "ALARMS": alarms,
    "RECORDS": events,
    "REFUSALS": refusals,
    "REFILL_REASONS": reservoir,
    "SELF_TESTS": self_tests,
    "SENSORS": sensors,
    "SENSOR_STATES": sensors,
}


@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_known_by_its_name(table: str):
    module = TABLES[table]
    for number, name, *_ in getattr(module, table):
        assert getattr(module, name.upper()) == number, name


def test_every_command_of_a_session_has_the_method_of_its_name():
    for _, name in messages.in_sessions():
        assert sum(hasattr(part, name) for part in (Commands, GuardCommands)) == 1, name


def test_what_the_host_may_repeat_and_waits_for_follows_from_the_rows():
    names = {row[0]: row[1] for row in messages.MESSAGES}
    assert {names[opcode] for opcode in session._PLAIN} == {"hello", "auth", "pair"}
    assert {names[opcode] for opcode in session._WEIGHED} == {"propose", "commit", "patient_bolus"}
    changing = {row[1] for row in messages.MESSAGES if row[4] & messages.KIND == messages.CHANGES}
    assert changing == {"propose", "commit", "resume", "implant", "cancel_plan", "skip_bridge"}
    reads = {names[opcode] for opcode in session._READS}
    assert reads.isdisjoint(changing)
    assert {"status", "program", "log_key", "alarms", "sensors", "reservoir"} <= reads
    assert {"stop", "abort", "alarm_confirm", "clear_fault", "log_clear"}.isdisjoint(reads)


def test_the_firmware_states_no_number_of_a_record_or_an_alarm(repo_root: Path):
    """Neither as a constant of its own, nor where it notes or raises one."""
    by_hand = re.compile(
        r"^_?(?:NOTE|ALARM)_[A-Z_]+ = \d|\.note\(\d|\.(?:raise_|clear|stands)\(\d", re.MULTILINE
    )
    for file in (repo_root / "firmware").rglob("*.py"):
        assert by_hand.findall(file.read_text(encoding="utf-8")) == [], file.name
