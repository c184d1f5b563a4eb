"""Rows of `removals.REMOVALS`: what is accepted is kept, and refusals say why."""

ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "REC-13",
        "firmware/pump/records/ledger.py",
        "_OLDEST = 1",
        "_OLDEST = 3",
        ("tests/system/kept/test_flash_of_0_1_0.py::test_its_images_boot_again_in_the_new_format",),
    ),
    (
        "REC-14",
        "firmware/pump/records/persistence.py",
        "            self.refused_format = self._ledger.format",
        "            self.refused_format = 0",
        ("tests/system/kept/test_flash_of_0_1_0.py",),
    ),
    (
        "INT-10",
        "firmware/pump/records/state.py",
        "            flags |= _CLOCK_SET",
        "            flags |= 0",
        ("tests/system/kept/test_sweep.py::test_the_ledger_keeps_clock_counts_and_numbers",),
    ),
    (
        "HOST-06",
        "host_tools/thecal/commands/review.py",
        "sets_clock=first and not keep_clock)",
        "sets_clock=False)",
        ("tests/host/cli/test_kept.py",),
    ),
    (
        "HOST-07",
        "firmware/pump/dosing/local_time.py",
        "day - 0x10000 if day >= _NEGATIVE else day",
        "day - 0x10000 if day & 0x8000 else day",
        ("tests/system/kept/test_sweep.py::test_the_ledger_keeps_clock_counts_and_numbers",),
    ),
    (
        "HOST-08",
        "firmware/pump/therapy/therapy_controller.py",
        '            raise outside("resume_after_s", 0, self.prescription.values["max_pause_s"])',
        '            raise Refused("out_of_range", "resume_after_s")',
        ("tests/host/cli/test_kept.py",),
    ),
    (
        "HOST-09",
        "firmware/pump/therapy/room.py",
        "        return highest, until_us if over else free_us",
        "        return highest, 0",
        ("tests/firmware/dosing/test_what_is_left.py",),
    ),
    (
        "RES-07",
        "firmware/pump/therapy/boluses.py",
        "        if lacking > 0:",
        "        if False:",
        ("tests/host/cli/test_kept.py",),
    ),
    (
        "ALM-09",
        "firmware/pump/records/restarts.py",
        "before != _NEVER and s - before <= _HOUR_S",
        "False",
        ("tests/firmware/records/test_resets.py",),
    ),
)
