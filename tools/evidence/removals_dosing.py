"""Rows of `removals.REMOVALS`: every step in its microsecond."""

ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "DEL-01",
        "firmware/pump/dosing/planner.py",
        "            bigint.add(lead, self._modulus, self._size)\n            us += 1",
        "            bigint.add(lead, self._modulus, self._size)",
        ("tests/firmware/dosing/test_exactness.py::test_a_month_of_everything",),
    ),
    (
        "DEL-01",
        "firmware/pump/dosing/planner.py",
        "            phase += carry[0] | carry[1] << bigint.BITS\n            us += 1",
        "            phase += carry[0] | carry[1] << bigint.BITS",
        ("tests/firmware/dosing/test_whole_runs.py",),
    ),
)
