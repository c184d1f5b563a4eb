"""No option is silently ignored: what does not go together is refused before anything is opened or asked."""

import pytest
import typer

from host.cli.conftest import Thecal
from host.cli.test_comfort import leaves
from thecal.cli.app import app
from thecal.cli.option_rules import RULES

COMMANDS = dict(leaves(typer.main.get_command(app)))
NOWHERE = "/nowhere/at/all"  # no port: whoever opened it would say so with exit code 1
VALUES = {"--line": "usb", "--role": "clinician"}
DUE = {
    "campaign": ("power-cuts",),
    "replace": ("file",),
}  # arguments without which a line is wrong for another reason


def value_of(path: str, name: str) -> list[str]:
    """An option with a value that it takes; an argument as itself."""
    [found] = [x for x in COMMANDS[path].params if name in (*x.opts, *x.secondary_opts, x.metavar)]
    if found.param_type_name == "argument":
        return ["file"]
    if found.is_flag:
        return [name]
    return [name, *[VALUES.get(name, "1")] * found.nargs]


LINES = [
    (path, rule.option, other, rule.together)
    for path, rules in RULES.items()
    for rule in rules
    for other in (rule.others if not rule.together else rule.others[:1])
]


@pytest.fixture(autouse=True)
def nothing_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("thecal.cli.common.open_pump", opened)


@pytest.mark.parametrize(("path", "option", "other", "together"), LINES)
def test_each_rule_holds(path: str, option: str, other: str, together: bool, quick_thecal: Thecal):
    words = [*path.split(), *DUE.get(path, ()), *value_of(path, option)]
    if not together:
        words += value_of(path, other)
    done = quick_thecal(*words)
    assert done.code == 2, done
    assert option in done.err
    assert other in done.err
    assert f"thecal {path}: " in done.err


def test_every_rule_names_options_that_are_there():
    for path, rules in RULES.items():
        names = {x for p in COMMANDS[path].params for x in (*p.opts, *p.secondary_opts, p.metavar)}
        for rule in rules:
            assert {rule.option, *rule.others} <= names, (path, rule)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_no_option_is_taken_twice(path: str, quick_thecal: Thecal):
    for option in COMMANDS[path].params:
        if option.param_type_name == "option" and not (option.is_flag or option.multiple):
            words = value_of(path, option.opts[0])
            done = quick_thecal(*path.split(), *words, *words)
            assert (done.code, "is said twice" in done.err) == (2, True), done


@pytest.mark.parametrize("line", ["alarms --json silence", "keys --json forget X"])
def test_json_before_a_command_of_a_group(line: str, quick_thecal: Thecal):
    done = quick_thecal(*line.split())
    assert (done.code, "say --json at the end" in done.err) == (2, True)


def test_a_port_in_the_environment_is_no_option(quick_thecal: Thecal):
    flags = ("--density", "0.9982 g/mL", "--mass-uncertainty", "0.02 mg")
    assert quick_thecal("calibrate", "--run", "40000:99.8 mg", *flags, port=NOWHERE).code == 0


def test_the_library_of_one_drug_as_json(quick_thecal: Thecal):
    import json

    document = json.loads(quick_thecal("library", "show", "morphine", "--json").out)
    assert [drug["name"] for drug in document["drugs"]] == ["morphine"]


@pytest.mark.parametrize("words", [("--subject", "Patient/1"), ("--utc-offset", "+01:00")])
def test_what_is_for_fhir_alone(words: tuple[str, str], quick_thecal: Thecal):
    done = quick_thecal("store", "export", "x", *words)
    assert (done.code, "--format fhir" in done.err) == (2, True)
