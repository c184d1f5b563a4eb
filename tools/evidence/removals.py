#!/usr/bin/env python3
"""Removals: the control of each requirement is taken out, one at a time, in a copy; a test must fail.

    tools/evidence/removals.py [REQUIREMENT ...]

Prints `killed` or `survived` a line; exit code 1: one survived, or was not there (howto/mutation.md).
"""

import importlib
import os
import sys
from pathlib import Path

import mutate
import removals_dosing
import removals_gates
import removals_kept
import removals_of_the_host
import removals_of_the_page
import removals_outside
import removals_records

SAFETY = "firmware/pump/safety/"
DOSING = "firmware/pump/dosing/"
THERAPY = "firmware/pump/therapy/"
RECORDS = "firmware/pump/records/"

# (requirement, file, the control, what takes its place, tests of which one must fail)
REMOVALS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        (
            "DEL-03",
            SAFETY + "guard.py",
            "            return OVER\n        found",
            "            return GOOD\n        found",
            ("tests/firmware/safety/test_guard.py",),
        ),
        (
            "DEL-04",
            SAFETY + "supervisor.py",
            "self.alarms.set(alarm.UNDER_INFUSION, self.guard.under_s >= dose_guard.BAND_S)",
            "self.alarms.set(alarm.UNDER_INFUSION, False)",
            ("tests/firmware/safety/test_guard.py",),
        ),
        (
            "DEL-05",
            SAFETY + "guard.py",
            "if made > expected + expected // 10 + _SLACK else 0",
            "if made > expected + expected // 10 + _SLACK else self.over_s",
            ("tests/firmware/safety/test_guard.py",),
        ),
        (
            "DEL-06",
            THERAPY + "program_check.py",
            "    if not low <= flow <= high:",
            "    if False:",
            ("tests/firmware/safety/test_expected.py",),
        ),
        (
            "DEL-13",
            THERAPY + "therapy_controller.py",
            "            self._fill(refill, s, us, ref)",
            "            pass",
            ("tests/firmware/records/test_refill_and_program.py",),
        ),
        (
            "BOL-13 step volume",
            THERAPY + "press.py",
            "new.step_volume_pl != running.step_volume_pl",
            "False",
            ("tests/system/security/test_no_press.py",),
        ),
        (
            "BOL-13 limits",
            THERAPY + "press.py",
            "        if _any_rises(running.drugs, new.drugs, field):",
            "        if False:",
            ("tests/system/security/test_no_press.py",),
        ),
        (
            "DEL-08",
            DOSING + "scale.py",
            "        if held and bigint.less(self._keep_open_parts, rate, size):",
            "        if False:",
            ("tests/firmware/safety/test_monitor.py",),
        ),
        (
            "DEL-09",
            SAFETY + "guard.py",
            "            if s < -2 or s > 2 or us < 0 or us > 1:",
            "            if False:",
            ("tests/firmware/safety/test_guard.py", "tests/firmware/safety/test_expected.py"),
        ),
        (
            "DEL-10",
            SAFETY + "supervisor.py",
            "self._motor.disable()",  # everywhere: one alone is made up for by the others
            "pass",
            ("tests/firmware/safety/test_guard.py",),
        ),
        (
            "DEL-11",
            THERAPY + "reservoir_fills.py",
            '                raise Refused("refill_first", "drugs")',
            "                pass",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "DEL-12",
            DOSING + "infusion_source.py",
            "        self.end.add(self._span.s, self._span.us)\n\n    def suspend",
            "        self.end.add(self._span.s, 0)\n\n    def suspend",
            ("tests/firmware/dosing/test_exactness.py::test_a_month_of_everything",),
        ),
        (
            "RES-01",
            THERAPY + "reservoir_fills.py",
            "        left = self.reservoir_pl - (self.displaced_pl(steps) - self._reservoir_mark_pl)",
            "        left = self.reservoir_pl",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "RES-02 low",
            SAFETY + "reservoir.py",
            "alarms.set(alarm.LOW_RESERVOIR, made >= self._low_at)",
            "alarms.set(alarm.LOW_RESERVOIR, False)",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "RES-02 empty",
            SAFETY + "reservoir.py",
            "alarms.set(alarm.EMPTY_RESERVOIR, made >= self._empty_at)",
            "alarms.set(alarm.EMPTY_RESERVOIR, False)",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "RES-03",
            SAFETY + "reservoir.py",
            "abs(residual_pl - counted_pl) > RESIDUAL_PL",
            "False",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "RES-04",
            SAFETY + "reservoir.py",
            "left_pl * S_PER_DAY // a_day_pl if",
            "left_pl * S_PER_DAY // (a_day_pl + a_day_pl // 100) if",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "RES-05",
            SAFETY + "alarms.py",
            "                self.flags[each] |= CONFIRMED",
            "                self.flags[each] = 0",
            ("tests/firmware/safety/test_reservoir.py",),
        ),
        (
            "MOT-01",
            SAFETY + "monitor.py",
            "            self._alarms.raise_(alarm.MOTOR_STALL, self.lost_in_a_row())",
            "            pass",
            ("tests/firmware/safety/test_monitor.py",),
        ),
        (
            "MOT-02",
            SAFETY + "monitor.py",
            "        self._alarms.set(alarm.SENSOR_FAULT, failed, failed)",
            "        pass",
            ("tests/firmware/safety/test_monitor.py",),
        ),
        (
            "MOT-03",
            SAFETY + "monitor.py",
            "value > 42_000, value < 41_500",
            "False, value < 41_500",
            ("tests/firmware/safety/test_monitor.py",),
        ),
        (
            "MOT-04",
            SAFETY + "alarms.py",
            "            self.repeated = number",
            "            pass",
            ("tests/firmware/safety/test_alarms.py",),
        ),
        (
            "MOT-05",
            SAFETY + "supervisor.py",
            "        if delivery.restrict(level, s, us) and level == FREE:",
            "        if level == FREE and delivery.restrict(level, s, us):",
            ("tests/firmware/safety/test_monitor.py",),
        ),
        (
            "INT-01",
            SAFETY + "readiness.py",
            "        elif failed:\n            self._supervisor.fatal(alarm.SELF_TEST, failed)",
            "        elif failed:\n            pass",
            ("tests/firmware/safety/test_selftest.py",),
        ),
        (
            "INT-02",
            SAFETY + "supervisor.py",
            "            self.alarms.set(alarm.CODE, found == 0)",
            "            pass",
            ("tests/firmware/safety/test_supervisor.py",),
        ),
        (
            "INT-03",
            SAFETY + "supervisor.py",
            "self.tasks == _ALL_TASKS and",
            "True and",
            ("tests/firmware/safety/test_supervisor.py",),
        ),
        (
            "INT-05",
            SAFETY + "critical.py",
            "        if self._live != self._copies:\n            return",
            "        if False:\n            return",
            ("tests/firmware/safety/test_critical.py",),
        ),
        (
            "INT-05 closing",
            SAFETY + "supervisor.py",
            "        if damaged:\n            self._damaged(damaged)\n        self.guard",
            "        self.guard",
            ("tests/firmware/safety/test_critical.py",),
        ),
        (
            "INT-07",
            SAFETY + "supervisor.py",
            "        if not beyond and self.guard.admits(run):",
            "        if not beyond:",
            ("tests/firmware/safety/test_guard.py",),
        ),
        (
            "INT-08",
            SAFETY + "latch.py",
            "        if self.number:\n            return\n",
            "",
            ("tests/firmware/safety/test_supervisor.py",),
        ),
        (
            "ALM-01",
            SAFETY + "alarms.py",
            "self.critical = bytearray(CRITICAL)",
            "self.critical = bytearray(len(CRITICAL))",
            ("tests/firmware/safety/test_alarms.py",),
        ),
        (
            "ALM-02",
            SAFETY + "alarms.py",
            "rank = 2 * self.critical[number] + ",
            "rank = ",
            ("tests/firmware/safety/test_alarms.py",),
        ),
        (
            "ALM-03",
            SAFETY + "alarms.py",
            "_SILENCE_CRITICAL_S = 120",
            "_SILENCE_CRITICAL_S = 7200",
            ("tests/firmware/safety/test_alarms.py",),
        ),
        (
            "ALM-04",
            SAFETY + "alarms.py",
            "                self.flags[each] |= CONFIRMED",
            "                self.flags[each] = 0",
            ("tests/firmware/safety/test_alarms.py",),
        ),
        (
            "ALM-05",
            SAFETY + "alarms.py",
            "            self.set(ANNUNCIATOR, not self._buzzer.works())",
            "            pass",
            ("tests/firmware/safety/test_alarms.py",),
        ),
        (
            "ALM-06",
            DOSING + "pause.py",
            "            interlock.alarm(s, us, alarm.STOPPED_48H, True)",
            "            pass",
            (
                "tests/firmware/safety/test_alarms.py",
                "tests/firmware/safety/test_supervisor.py",
                "tests/firmware/safety/test_states.py",
            ),
        ),
        (
            "ALM-07",
            SAFETY + "monitor.py",
            "s - self.eri_s >= EOS_AFTER_S",
            "False",
            ("tests/firmware/safety/test_monitor.py",),
        ),
        (
            "DEL-02",
            DOSING + "scale.py",
            "bigint.load(self.base_parts, size, scale.parts(self.base))",
            "bigint.load(self.base_parts, size, scale.parts(self.base) * 94 // 100)",
            ("tests/firmware/dosing/test_exactness.py::test_a_month_of_everything",),
        ),
        (
            "DEL-07",
            RECORDS + "persistence.py",
            'self.write("program-%d" % (number & 1), number, canonical)',
            'self.write("program-%d" % (state.program & 1), number, canonical)',
            (
                "tests/firmware/restart/test_restart.py::test_a_commit_is_the_old_program_or_the_new_one_whole",
            ),
        ),
        (
            "INT-04",
            RECORDS + "persistence.py",
            'if Document(self._store, "pump").read(1, ANOTHER_PUMP) != self._serial:',
            "if False:",
            ("tests/firmware/records/test_bad_images.py::test_another_pumps_flash",),
        ),
        (
            "INT-06",
            RECORDS + "persistence.py",
            "        if self.save():\n            return True\n        delivery",
            "        if True:\n            return True\n        delivery",
            ("tests/firmware/records/test_power_cuts.py",),
        ),
        (
            "ALM-08",
            "firmware/pump/link/server.py",
            "why = _ENDED_IDLE if now_s - self._used_s >= IDLE_S else why",
            "pass",
            ("tests/firmware/safety/test_from_outside.py::test_an_open_session_ends_while_an_alarm_sounds",),
        ),
        (
            "catch-up (BOL-09)",
            SAFETY + "supervisor.py",
            "        if s - run.first_s > CATCH_UP_S:",
            "        if False:",
            ("tests/firmware/safety/test_supervisor.py",),
        ),
        (
            "given and planned (BOL-05)",
            THERAPY + "therapy_controller.py",
            '        if passed:\n            raise Refused(passed, "given")',
            "        pass",
            ("tests/firmware/dosing/test_given_and_planned.py",),
        ),
    )
    + removals_dosing.ROWS
    + removals_gates.ROWS
    + removals_kept.ROWS
    + removals_of_the_host.ROWS
    + removals_of_the_page.ROWS
    + removals_outside.ROWS
    + removals_records.ROWS
)


def passes(tree: Path, tests: tuple[str, ...], known: dict[tuple[str, ...], bool]) -> bool:
    """Do they, with every control where it is? Asked once."""
    if tests not in known:
        known[tests] = mutate.in_a_process_of_its_own(tree, tests) == "survived"
    return known[tests]


def removed(
    tree: Path, row: tuple[str, str, str, str, tuple[str, ...]], known: dict[tuple[str, ...], bool]
) -> str:
    """`killed`, `survived`; `not found`: the control is not where it was; `broken`: the tests fail anyway."""
    _, file, control, instead, tests = row
    path = tree / file
    text = path.read_text(encoding="utf-8")
    if control not in text:
        return "not found"
    if not passes(tree, tests, known):
        return "broken"
    path.write_text(text.replace(control, instead), encoding="utf-8")
    try:
        return mutate.in_a_process_of_its_own(tree, tests)
    finally:
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """1: not all were killed."""
    importlib.import_module("hypothesis")
    tree = mutate.ROOT / "build" / "removals-tree"
    mutate.copy_of_the_project(tree)
    os.environ["THECAL_HOME"] = str(tree)  # for tests that run the emulator
    known: dict[tuple[str, ...], bool] = {}
    wanted = sys.argv[1:]
    good = True
    for row in REMOVALS:
        if not wanted or any(row[0].startswith(name) for name in wanted):
            found = removed(tree, row, known)
            good &= found in ("killed", "timeout")
            print(f"{found:9} {row[0]}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
