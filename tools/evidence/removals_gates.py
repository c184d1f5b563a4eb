"""Rows of `removals.REMOVALS`: what needs a press of the button, and what a press serves."""

PRESS = "firmware/pump/therapy/press.py"
AUTHORIZATION = "firmware/pump/link/button_authorization.py"
TESTS = "tests/system/security/"

ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "SEC-15",  # smaller steps than the motor makes
        PRESS,
        "new.step_volume_pl != running.step_volume_pl",
        "False",
        (TESTS + "test_gates.py::test_the_step_volume_changes_neither_way",),
    ),
    (
        "SEC-15 (drugs)",
        PRESS,
        "not same_drugs(running.drugs, new.drugs)",
        "False",
        (TESTS + "test_gates.py::test_a_concentration_is_not_declared_lower_or_higher",),
    ),
    (
        "SEC-15 (a bridge)",
        PRESS,
        "new.bridge or ",
        "",
        (TESTS + "test_gates.py::test_a_bridge_needs_a_press",),
    ),
    (
        "SEC-15 (limits)",
        PRESS,
        "        if before and not 0 < new[index][field] <= before:",
        "        if before and new[index][field] > before:",
        (TESTS + "test_gates.py::test_which_programs_need_a_press",),
    ),
    (
        "SEC-15 (spelling)",
        "firmware/pump/therapy/reservoir_fills.py",
        "mine == other or mine.lower() == other.lower()",
        "mine == other",
        (TESTS + "test_gates.py::test_the_doses_given_under_another_spelling_count",),
    ),
    (
        "SEC-16",
        PRESS,
        " <= version + _MOST_VERSIONS",
        "",
        (TESTS + "test_gates.py::test_which_programs_need_a_press",),
    ),
    (
        "SEC-16 (rules)",
        PRESS,
        '            if entry["rules"] & ~drugs[index]["rules"] & DEMANDS:',
        "            if False:",
        (TESTS + "test_gates.py::test_which_programs_need_a_press",),
    ),
    (
        "SEC-14",  # used up
        AUTHORIZATION,
        '                self._act = b""\n                return\n',
        "                return\n",
        (TESTS + "test_press.py::test_one_press_serves_one_act_once",),
    ),
    (
        "SEC-14 (this one)",
        AUTHORIZATION,
        "self._pressed and self._act == act",
        "self._pressed",
        (TESTS + "test_press.py::test_another_digest_is_not_served",),
    ),
    (
        "SEC-14 (earlier presses)",
        AUTHORIZATION,
        "        self.poll()  # what was pressed before counts for nothing\n",
        "        if self.forgives:\n            return\n",
        (TESTS + "test_press.py::test_a_press_before_the_request",),
    ),
    (
        "SEC-14 (its session)",
        "firmware/pump/link/commands.py",
        "        self._authorization.end_session()\n",
        "",
        (TESTS + "test_press.py::test_it_ends_with_its_session",),
    ),
    (
        "SEC-17",
        AUTHORIZATION,
        "            if act[0] == _PAIRING and self._act[0] != _PAIRING:",
        "            if False:",
        (TESTS + "test_pairing_press.py::test_a_stranger_does_not_pair_by_a_press_for_another_request",),
    ),
    (
        "SEC-18",
        AUTHORIZATION,
        "        self._alarms.sound(CHIRP, time.s)\n",
        "",
        (TESTS + "test_press.py::test_a_press_that_is_taken_is_heard_and_on_record",),
    ),
)
