"""`thecal session`: interrogate, review, adjust, review old | new | change, commit, report."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from thecal._io.wrapped import say
from thecal.commands.program import PreparedProgram
from thecal.commands.review import Review
from thecal.commands.status import Snapshot
from thecal.errors import ThecalError, TherapyError
from thecal.link.client import Client
from thecal.link.responses.pump import Committed
from thecal.link.uncertain_delivery import before_commit, withdraw
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.drug_library import names
from thecal.therapy.drug_library.model import HAS_ORAL
from thecal.therapy.load import load_therapy
from thecal.therapy.oral_dose import OralAdvice, advise, parse_oral
from thecal.therapy.settings_diff import from_wire
from thecal.units.amounts import dose_rate_text, duration_text, mass_text, volume_text
from thecal.units.quantities import (
    DOSE_RATE,
    DURATION,
    MASS,
    VOLUME,
    QuantityError,
    parse_number,
    parse_whole,
)
from thecal.workflows.prompts import Prompter
from thecal.workflows.running import document_of, therapy_of

Document = dict[str, Any]
_ORAL = "a"
Programmed = tuple[Committed | None, Review]  # None: the pump did it, and its answer was lost


@dataclass(frozen=True)
class Answers:
    """What flags say beforehand; empty: to be asked, where it matters."""

    dose: str = ""
    change: str = ""
    bolus_dose: str = ""
    lockout: str = ""
    limit_24h: str = ""
    low_reservoir: str = ""
    oral_ng_per_day: int = 0  # what was taken by mouth; no change, but for advice (HOST-32)
    therapy: Path | None = None
    yes: bool = False
    large: bool = False
    soft: bool = False

    @property
    def say_what(self) -> bool:
        """Whether the flags name a change, so that nobody is asked for one."""
        amounts = (self.dose, self.change, self.bolus_dose, self.lockout, self.limit_24h, self.low_reservoir)
        return any(amounts) or self.therapy is not None


@dataclass(frozen=True)
class Adjustment:
    """One thing that may be changed: key in the menu, flag, whether a program has it, how it is put in."""

    key: str
    text: str
    flag: str
    has: Callable[[Document], bool]
    ask: Callable[[Prompter, Document, str], None]


def _dose(prompter: Prompter, document: Document, given: str) -> None:
    now = document["basal"]["dose"]
    ng = prompter.quantity(f"New basal dose, now {now}", DOSE_RATE, "--dose", given)
    document["basal"]["dose"] = dose_rate_text(ng)


def factor_of(text: str) -> Fraction:
    """What a change in percent multiplies by. QuantityError: it is none."""
    if not text.endswith("%") or text[:1] not in ("+", "-"):
        raise QuantityError(f'"{text}" is no change in percent; write its sign and %, like "+10 %"')
    return 1 + parse_number(text[:-1].strip(), "+10") / 100


def _change(prompter: Prompter, document: Document, given: str) -> None:
    """Every basal dose by the same percent; a result that is not a whole ng/day is refused, never rounded."""
    text = given or prompter.line('Change of every basal dose ("+10 %")?', "--change")
    factor = factor_of(text)
    basal = document["basal"]
    for step in [basal] if "dose" in basal else basal["step"]:
        old = parse_whole(step["dose"], DOSE_RATE)
        new: Fraction = old * factor
        if new <= 0 or new.denominator != 1:
            raise QuantityError(f"{step['dose']} {text} is no whole number of ng/day above zero")
        step["dose"] = dose_rate_text(int(new))


def _bolus_dose(prompter: Prompter, document: Document, given: str) -> None:
    bolus = document["patient_bolus"]
    bolus["dose"] = mass_text(
        prompter.quantity(f"New dose, now {bolus['dose']}", MASS, "--bolus-dose", given)
    )


def _lockout(prompter: Prompter, document: Document, given: str) -> None:
    bolus = document["patient_bolus"]
    us = prompter.quantity(f"New lockout, now {bolus['lockout']}", DURATION, "--lockout", given)
    bolus["lockout"] = duration_text(us)


def _limit(prompter: Prompter, document: Document, given: str) -> None:
    limits = document["limits"]
    now = limits.get("max_dose_24h", "none")
    ng = prompter.quantity(f"New limit of 24 h, now {now}", MASS, "--limit-24h", given)
    limits["max_dose_24h"] = mass_text(ng)


def _low(prompter: Prompter, document: Document, given: str) -> None:
    alarms = document["alarms"]
    pl = prompter.quantity(
        f"New alarm volume, now {alarms['low_reservoir']}", VOLUME, "--low-reservoir", given
    )
    alarms["low_reservoir"] = volume_text(pl)


ADJUSTMENTS = (
    Adjustment("1", "the basal dose", "dose", lambda d: "dose" in d["basal"], _dose),
    Adjustment(
        "2",
        "every basal dose by percent",
        "change",
        lambda d: d["basal"]["mode"] in ("continuous", "flex"),
        _change,
    ),
    Adjustment(
        "3", "the dose of the patient's bolus", "bolus_dose", lambda d: "patient_bolus" in d, _bolus_dose
    ),
    Adjustment(
        "4", "the lockout of the patient's bolus", "lockout", lambda d: "patient_bolus" in d, _lockout
    ),
    Adjustment("5", "the dose limit of 24 h", "limit_24h", lambda d: True, _limit),
    Adjustment("6", "the low-reservoir alarm", "low_reservoir", lambda d: True, _low),
)


def interrogate(client: Client, port: str) -> tuple[Snapshot, Document | None]:
    """What the pump is and runs: shown, and as a program to adjust."""
    hello = client.hello()
    snapshot = Snapshot.take(port, client, hello)
    return snapshot, client.running_program()


def show(snapshot: Snapshot, program: Document | None) -> None:
    """The pump and every setting of its program."""
    for name, text in snapshot.rows():
        say(f"  {name:<12}  {text}")
    for setting in from_wire(program) if program else ():
        say(f"    {setting.field:<30}  {setting.text}")


def adjusted(prompter: Prompter, program: Document | None, answers: Answers) -> CheckedTherapy | None:
    """The therapy that is wanted; None: nothing shall change."""
    if answers.therapy is not None:
        return load_therapy(answers.therapy)
    if program is None:
        raise ThecalError("the pump has no program to adjust", "program one: --therapy THERAPY.toml")
    before = document_of(program)
    document = copy.deepcopy(before)
    if answers.say_what:
        for adjustment in ADJUSTMENTS:
            given = getattr(answers, adjustment.flag)
            if given and not adjustment.has(document):
                raise ThecalError(
                    f"the program has no {adjustment.text.removeprefix('the ')}",
                    "use a therapy file: --therapy",
                )
            if given:
                adjustment.ask(prompter, document, given)
    else:
        _menu(prompter, document)
    return None if document == before else therapy_of(document)


def _menu(prompter: Prompter, document: Document) -> None:
    """Asks until nothing more shall change."""
    fits = [adjustment for adjustment in ADJUSTMENTS if adjustment.has(document)]
    options = [(x.key, x.text) for x in fits]
    drug = document["drug"][0]["name"]
    if names.same(drug, HAS_ORAL):
        options.append((_ORAL, "what an oral dose would be (advice: it changes nothing)"))
    options.append(("0", "nothing (more)"))
    while True:
        key = prompter.choice("What shall change?", options, "--dose, --change, --therapy or the like")
        if key == "0":
            return
        if key == _ORAL:
            _show_advice(prompter, drug)
            continue
        chosen = next(x for x in fits if x.key == key)
        try:
            chosen.ask(prompter, document, "")
        except QuantityError as error:
            print(f"  {error}")


def confirm_large_and_soft(prompter: Prompter, prepared: PreparedProgram, answers: Answers) -> None:
    """More than twofold and a soft limit that is passed each want a yes of their own (HOST-03)."""
    large = [f"{x.field} from {x.old} to {x.new}" for x in prepared.large_changes]
    if large:
        question = f"MORE THAN TWOFOLD: {'; '.join(large)}. Is that meant?"
        prompter.confirm(question, "--confirm-large-change", answers.large)
    soft = [limit.message for limit in prepared.soft_limits]
    if soft:
        question = f"A SOFT LIMIT IS PASSED: {'; '.join(soft)}. Is that meant? It is logged."
        prompter.confirm(question, "--confirm-soft-limits", answers.soft)


def _advice(therapy: CheckedTherapy, answers: Answers) -> OralAdvice | None:
    """Of the oral dose that was said. ThecalError: of this therapy's drug nothing is known."""
    oral = answers.oral_ng_per_day
    return advise(oral, therapy.model.primary.name) if oral else None


def _show_advice(prompter: Prompter, name: str) -> None:
    """Of an oral dose that is asked for: it changes nothing."""
    advice = advise(
        prompter.answer(f"Oral {name} of a day (for example 90 mg/day)?", "--oral", parse_oral), name
    )
    say(*(f"  {line}" for line in advice.words()))


def commit(
    client: Client, prompter: Prompter, therapy: CheckedTherapy, answers: Answers, port: str
) -> Programmed:
    """Review old | new | change, every confirmation that it needs, and the commit."""
    advice = _advice(therapy, answers)
    review = replace(Review.of(client, therapy, keep_clock=False), advice=advice)
    try:
        review.print_tables()
        confirm_large_and_soft(prompter, review.prepared, answers)
        prompter.confirm(review.question(port), "--yes", answers.yes)
    except ThecalError:
        withdraw(client)
        raise
    return review.commit(), review


def run(client: Client, prompter: Prompter, answers: Answers, port: str) -> Programmed | None:
    """The whole session up to the commit; None: nothing was changed."""
    snapshot, program = before_commit("the look at the pump", lambda: interrogate(client, port))
    show(snapshot, program)
    if program and answers.oral_ng_per_day and answers.therapy is None:
        say(*advise(answers.oral_ng_per_day, program["drugs"][0]["name"]).words())
    try:
        therapy = adjusted(prompter, program, answers)
    except QuantityError as error:
        raise TherapyError([("", str(error))]) from None
    if therapy is None:
        return None
    return commit(client, prompter, therapy, answers, port)
