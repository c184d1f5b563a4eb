"""More rows for `removals.py`: drugs by their names, what needs a yes, what a review must say."""

ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "RES-06 dose",
        "firmware/pump/dosing/flow.py",
        "            self.prime_missed += missed - self._missed_before",
        "            pass",
        ("tests/simulate/test_missed.py",),
    ),
    (
        "RES-06 kept",
        "firmware/pump/records/state.py",
        "        self._share(_MISSED, delivery.missed())",
        "        pass",
        ("tests/simulate/test_missed.py",),
    ),
    (
        "DEL-14",
        "firmware/pump/safety/supervisor.py",
        "1 if prescription.withdrawal else 0",
        "0",
        ("tests/safety/test_guard.py::test_its_class_is_the_drugs",),
    ),
    (
        "BOL-14",
        "firmware/pump/therapy/library.py",
        '        raise Unacceptable("drug_rule", "no library")',
        "        pass",
        ("tests/library/test_names.py::test_a_program_that_says_nothing_of_its_drugs_gets_no_patient_bolus",),
    ),
    (
        "HOST-17",
        "host_tools/thecal/library/names.py",
        "        elif bare in glued:",
        "        elif bare == glued:",
        ("tests/library/test_names.py::test_every_spelling_means_the_drug",),
    ),
    (
        "HOST-18",
        "host_tools/thecal/library/model.py",
        "            if row.up_to_ng_per_ml <= before.up_to_ng_per_ml:",
        "            if False:",
        ("tests/library/test_validation.py",),
    ),
    (
        "HOST-15",
        "host_tools/thecal/guided/calibrate_command.py",
        '    prompter.confirm("Give this now?", "--yes", entered.yes)',
        "    pass",
        ("tests/cli/test_no_step_without_a_yes.py",),
    ),
    (
        "HOST-16",
        "host_tools/thecal/guided/calibrate_command.py",
        "        found([*runs, Run(counted.least_steps, likely_ng)], counted.set_pl)",
        "        pass",
        ("tests/guided/test_calibration.py",),
    ),
    (
        "DEL-15",
        "host_tools/thecal/review.py",
        "        print_start(self.prepared, console)",
        "        pass",
        ("tests/guided/test_what_starts.py",),
    ),
)
