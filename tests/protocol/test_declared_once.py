"""A number is declared once, in its row, and the row's name is what firmware and host call it."""

import re
from pathlib import Path

import pytest

from pump.link.commands import Commands
from pump.link.guard_commands import GuardCommands
from thecal.link import session
from thecal_protocol import (
    alarms,
    bolus_kinds,
    events,
    messages,
    program,
    refusals,
    reservoir,
    roles,
    self_tests,
    sensors,
    states,
)

TABLES = {
    "ACTORS": events,
    "ALARMS": alarms,
    "BOLUSES": bolus_kinds,
    "RECORDS": events,
    "REFUSALS": refusals,
    "REFILL_REASONS": reservoir,
    "SELF_TESTS": self_tests,
    "SENSORS": sensors,
    "SENSOR_STATES": sensors,
    "STATES": states,
}

# names of other things: a word of the ledger, what may leave the pump in a state, what an alarm leaves of it
ALLOWED = {"state.py": {"PERIODIC"}, "states.py": {"MINIMUM"}, "interlock.py": {"HALTED"}}


@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_known_by_its_name(table: str):
    module = TABLES[table]
    for number, name, *_ in getattr(module, table):
        assert getattr(module, name.upper()) == number, name


def test_modes_and_roles_are_known_by_their_names():
    for number, name in program.BASAL_MODES:
        assert getattr(program, f"BASAL_{name.upper()}") == number
    assert set(roles.ROLES) < set(events.ACTORS)


def test_a_kind_of_bolus_is_all_that_its_row_says():
    rows = {row[0]: row for row in bolus_kinds.BOLUSES}
    assert list(rows) == list(range(bolus_kinds.KINDS))
    assert bolus_kinds.PROPOSED[0] == (bolus_kinds.CLINICIAN_BOLUS, "")
    words = [word for _, word in bolus_kinds.PROPOSED[1:]]
    assert words == list(bolus_kinds.WORDS)
    assert all(words)
    assert len(set(words)) == len(words)
    assert [name for name, _ in messages.BOLUS] == ["dose_ng", "duration_us", *words]
    alone = {rows[number][1] for number in bolus_kinds.NO_DOSE}
    assert alone == {"prime", "bridge"}


def test_the_firmware_states_no_kind_state_mode_or_actor(repo_root: Path):
    """A table's number stands in its row, and nowhere else as a constant of that name."""
    tables = (events.ACTORS, bolus_kinds.BOLUSES, states.STATES, program.BASAL_MODES)
    names = {row[1].upper().removesuffix("_BOLUS") for table in tables for row in table}
    names |= {"NO_PATIENT_BOLUS", "WITHDRAWAL", "UNKNOWN_DRUG", "KINDS", "STATES", "ACTORS"}
    by_hand = re.compile(rf"^_?(?:ACTOR_|BASAL_|KIND_)?({'|'.join(names)})(?:_BOLUS)? = \d", re.MULTILINE)
    for folder in ("firmware", "boards", "host_tools"):
        for file in (repo_root / folder).rglob("*.py"):
            found = set(by_hand.findall(file.read_text(encoding="utf-8")))
            assert found <= ALLOWED.get(file.name, set()), file.name


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
