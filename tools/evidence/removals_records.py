"""Rows of `removals.REMOVALS`: what stays on record, budgets of hosts, the halt, the motor's pace."""

QUEUE = "firmware/pump/records/event_queue.py"
REPEATS = "firmware/pump/records/repeats.py"
BUDGETS = "firmware/pump/link/budgets.py"
BOLUSES = "firmware/pump/therapy/boluses.py"
FLOODS = "tests/firmware/event_log/test_floods.py::"
CAPACITY = (
    "tests/firmware/event_log/test_capacity.py::test_a_month_of_doses_stays_whatever_is_stopped_or_refused"
)
COUNTED = FLOODS + "test_refused_stops_with_the_patients_key_are_two_records"
LOOPS = "tests/system/security/test_budgets.py::test_a_host_that_loops_is_refused_and_costs_nobody_else"
BUDGET_TESTS = "tests/system/security/test_budgets.py::"

ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "REC-01 repeats",
        QUEUE,
        "if kind not in REPEATED_RECORDS or not self.repeats.takes(s, actor, kind, code, b):",
        "if True:",
        (COUNTED,),
    ),
    (
        "DEL-13 one save",
        "firmware/pump/therapy/reservoir_fills.py",
        '            "refills": [self.refills],',
        '            "refills": [],',
        ("tests/firmware/records/test_refill_and_program.py",),
    ),
    ("REC-07", QUEUE, "            if places.take(self._timebase.s):", "            if True:", (CAPACITY,)),
    (
        "REC-07 places of their own",
        QUEUE,
        "places = self._bolus_places if by_itself else self._other_places",
        "places = self._other_places",
        (CAPACITY,),
    ),
    ("REC-08", REPEATS, "            self._given += 1", "            pass", (COUNTED,)),
    (
        "REC-09",
        "firmware/pump/link/proposals.py",
        "        self._tell_changes(before, program)\n",
        "",
        ("tests/firmware/event_log/test_changes.py::test_a_commit_is_on_record_field_by_field",),
    ),
    (
        "SEC-19 frames",
        BUDGETS,
        "return limit.has(s, kept + 1) and limit.take(s)",
        "return True",
        (LOOPS,),
    ),
    (
        "SEC-19 sessions",
        BUDGETS,
        "        if not limit.take(s):",
        "        if False:",
        (BUDGET_TESTS + "test_sessions_of_a_role_are_counted",),
    ),
    (
        "SEC-19 for a stop",
        BUDGETS,
        "kept = FOR_STOP if role == roles.CLINICIAN and opcode != STOP else 0",
        "kept = 0",
        (LOOPS,),
    ),
    (
        "SEC-19 watching",
        "host_tools/thecal/commands/status.py",
        "if before is not None and before.is_fresh(status):",
        "if False:",
        (BUDGET_TESTS + "test_watching_never_uses_up_a_budget",),
    ),
    (
        "SEC-19 watching at any interval",
        "host_tools/thecal/monitor/pace.py",
        "return max(self._interval_s, -self._spare / A_SECOND)",
        "return self._interval_s",
        (BUDGET_TESTS + "test_watching_at_any_interval_keeps_within_the_budget",),
    ),
    (
        "SEC-20",
        "firmware/pump/link/server.py",
        "            self._wakes_left = 0  # until the next second nothing from the line wakes the pump\n"
        "            self._enable_rx(False)\n",
        "",
        (BUDGET_TESTS + "test_past_its_budget_a_host_wakes_the_pump_once_a_second",),
    ),
    (
        "RES-07 bridge",
        BOLUSES,
        "            if prescription.dead_pl > above_pl:",
        "            if False:",
        ("tests/host/cli/test_kept.py::test_a_bridge_must_lie_above_the_halt",),
    ),
    (
        "RES-07 boluses of a program",
        BOLUSES,
        '            if bolus["dose_ng"] > most_ng:',
        "            if False:",
        ("tests/host/therapy/test_same_verdict.py::test_bad_input_is_refused_by_both",),
    ),
    (
        "MOT-06",
        "firmware/pump/therapy/bounds.py",
        "        if program.max_rate_pl_per_day * gap_us > room:",
        "        if False:",
        ("tests/firmware/dosing/test_motors_pace.py::test_half_of_what_the_motor_follows",),
    ),
    (
        "MOT-07",
        "firmware/pump/dosing/delivery.py",
        "_MOST_BEHIND_US if self.pace.gap_us else _MOST_OFF_US",
        "_MOST_OFF_US",
        ("tests/firmware/dosing/test_motors_pace.py",),
    ),
    (
        "MOT-07 waits for the motor",
        "firmware/pump/dosing/pace.py",
        "        if not self.gap_us or not wake.by(s, us):\n            return\n",
        "        return\n",
        ("tests/firmware/dosing/test_motors_pace.py",),
    ),
    (
        "MOT-08",
        "firmware/pump/safety/monitor.py",
        "state = GOOD if self._motor.supply() else MISSING",
        "state = GOOD",
        ("tests/firmware/pump/test_motor_speed.py::test_the_motors_supply_is_told",),
    ),
    (
        "INT-11",
        "firmware/pump/therapy/windows.py",
        "given.breathe()",
        "pass",
        ("tests/firmware/dosing/test_breathing.py::test_the_longest_forecast_breathes",),
    ),
    (
        "INT-11 while changes are told",
        "firmware/pump/records/changes.py",
        "            self._breathe()\n            old_end",
        "            old_end",
        ("tests/firmware/event_log/test_changes.py::test_the_records_are_the_difference",),
    ),
    (
        "INT-12",
        "host_tools/thecal/firmware_build/install.py",
        "    for other in wanted.refused:",
        "    for other in ():",
        ("tests/host/firmware_build/test_install.py",),
    ),
)
