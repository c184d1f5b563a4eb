"""Plans, tapers, start delays: worked out exactly, checked whole, refused by the step at fault."""
# ruff: noqa: E501 -- messages are quoted whole

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.therapy.samples import CONSTANT, MORPHINE, errors_of, flex, with_lines
from thecal.errors import TherapyError
from thecal.therapy.check import check
from thecal.therapy.encode import to_wire
from thecal.therapy.fields import DoseChange
from thecal.therapy.load import parse_model, parse_therapy
from thecal.therapy.models import Therapy
from thecal.therapy.settings_diff import compare, from_wire
from thecal.therapy.taper import plan_of

DAY_US = 86_400_000_000
BACLOFEN = (
    CONSTANT.replace("morphine", "baclofen").replace("20 mg/mL", "500 mcg/mL").replace("2.4 mg", "100 mcg")
)


def taper(change: str, every: str = "1 d", base: str = CONSTANT, **ends: int | str) -> str:
    lines = [f"{name} = {value if isinstance(value, int) else repr(value)}" for name, value in ends.items()]
    return (
        f'{base}[taper]\nchange = "{change}"\nevery = "{every}"\n' + "\n".join(lines).replace("'", '"') + "\n"
    )


def steps(*pairs: tuple[str, str], base: str = CONSTANT) -> str:
    return base + "".join(f'[[plan]]\nafter = "{after}"\ndose = "{dose}"\n' for after, dose in pairs)


def doses(text: str) -> list[int]:
    return [step.dose_ng_per_day for step in plan_of(parse_therapy(text).model)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # of the dose before: 100, 90, 81, 72.9, ...; the last one exactly `until`
        (
            taper("-10 %", base=BACLOFEN, until="50 mcg/day"),
            [90_000, 81_000, 72_900, 65_610, 59_049, 53_144, 50_000],
        ),
        (taper("-10 %", base=BACLOFEN, steps=7), [90_000, 81_000, 72_900, 65_610, 59_049, 53_144, 47_829]),
        (taper("+100 %", base=BACLOFEN, steps=2), [200_000, 400_000]),
        (taper("-12.5%", base=BACLOFEN, steps=1), [87_500]),
        (taper("-20 mcg/day", base=BACLOFEN, until="50 mcg/day"), [80_000, 60_000, 50_000]),
        (taper("+1.2 mcg/day", base=BACLOFEN, until="103.6 mcg/day"), [101_200, 102_400, 103_600]),
        (taper("-0.01 mg/h", base=with_lines(CONSTANT, dose="4 mg/day"), steps=2), [3_760_000, 3_520_000]),
    ],
)
def test_tapers_worked_by_hand(text: str, expected: list[int]):
    assert doses(text) == expected


def test_when_the_steps_of_a_taper_begin():
    plan = plan_of(parse_therapy(taper("+2 mcg/day", every="3 d", base=BACLOFEN, steps=3)).model)
    assert [step.after_us for step in plan] == [3 * DAY_US, 6 * DAY_US, 9 * DAY_US]


@given(st.integers(1, 10**8), st.fractions(Fraction(-9999, 100), 100))
def test_percentages_are_exact_and_rounded_down(dose: int, percent: Fraction):
    found = DoseChange(percent=percent).after(dose)
    exact = Fraction(dose) + Fraction(dose) * percent / 100
    assert found <= exact < found + 1


def test_on_the_wire():
    text = steps(("1 d", "2.2 mg/day"), ("4 d", "2 mg/day")) + '[start]\ndelay = "2 h"\n'
    values = to_wire(parse_therapy(text))
    assert values["start_delay_s"] == 7200
    assert values["plan"] == [
        {"after_us": DAY_US, "dose_ng_per_day": 2_200_000},
        {"after_us": 4 * DAY_US, "dose_ng_per_day": 2_000_000},
    ]
    shown = {setting.field: setting.text for setting in from_wire(values)}
    assert shown["start.delay"] == "2 h"
    assert shown["plan[1]"] == "2.2 mg/day from 24 h on"
    assert shown["plan[2]"] == "2 mg/day from 4 d on"
    row = next(row for row in compare(to_wire(parse_therapy(CONSTANT)), values) if row.field == "plan[2]")
    assert (row.old, row.new, row.large) == (None, "2 mg/day from 4 d on", False)


NINE = [(f"{n} d", f"{2.4 + 0.4 * n:.1f} mg/day") for n in range(1, 13)]  # 2.8, 3.2, ... the 9th is 6.0
WRONG = [
    (steps(*NINE) + '[limits]\nmax_dose_24h = "5.9 mg"\n', "plan[9].dose",
     "with it the schedule gives 6 mg of morphine in the worst 24 h, above the limit of 5.9 mg"),
    (steps(*NINE) + '[limits]\nmax_dose_1h = "0.249 mg"\n', "plan[9].dose",
     "with it the schedule gives 250 mcg of morphine in the worst hour, above the limit of 249 mcg"),
    (steps(*NINE) + '[limits]\nmax_rate = "0.29 mL/day"\n', "plan[9].dose",
     "6 mg/day is 0.3 mL/day at this concentration, above limits.max_rate, 290 uL/day (5.8 mg/day)"),
    (taper("+20 %", steps=10) + '[limits]\nmax_dose_24h = "12 mg"\n', "plan[9].dose",
     "with it the schedule gives 12.38347 mg of morphine in the worst 24 h, above the limit of 12 mg"),
    (steps(("1 d", "0.9 mg/day")), "plan[1].dose",
     "900 mcg/day is 0.045 mL/day at this concentration, below the lowest basal rate, 48 uL/day (960 mcg/day)"),
    (steps(("2 d", "2 mg/day"), ("1 d", "1.8 mg/day")), "plan[2].after",
     "24 h is not later than 48 h, when the dose before it begins"),
    (steps(("2 d", "2 mg/day"), ("49.5 h", "1.8 mg/day"), ("50 h", "1.7 mg/day")), "plan[3].after",
     "30 min is below the lowest time between the doses of a plan, 1 h"),
    (steps(("367 d", "2 mg/day")), "plan[1].after",
     "367 d is above the highest time between the doses of a plan, 366 d"),
    (steps(("1 d", "2 mg/day"), base=flex(("06:00", "2 mg/day"))), "plan",
     'belongs to mode "continuous"; mode "flex" has no dose to change in steps'),
    (taper("-10 %", steps=2, base=flex(("06:00", "2 mg/day"))), "taper",
     'belongs to mode "continuous"; mode "flex" has no dose to change in steps'),
    (steps(("1 d", "2 mg/day"), base=taper("-10 %", steps=1)), "taper", "stands beside [[plan]]; keep one of them"),
    (taper("-10 %"), "taper", 'needs one of steps and until; write for example: until = "50 mcg/day"'),
    (taper("-10 %", steps=1, until="2 mg/day"), "taper",
     'needs one of steps and until; write for example: until = "50 mcg/day"'),
    (taper("-10 %", until="2.5 mg/day"), "taper.until",
     "2.5 mg/day is not below the dose it starts from, 2.4 mg/day"),
    (taper("+10 %", until="2.4 mg/day"), "taper.until",
     "2.4 mg/day is not above the dose it starts from, 2.4 mg/day"),
    (taper("-1 %", until="1.2 mg/day"), "taper.until",
     "is not reached in the 32 steps that the pump takes, which end at 1.739939 mg/day; make larger steps"),
    (taper("-1 mg/day", steps=3), "plan[3].dose", "nothing is left of the dose; make fewer steps"),
    (taper("+1e-5 %", steps=3, base=BACLOFEN), "taper.change", "is less than 1 ng/day at step 1: it changes nothing"),
    (steps(("1 d", "2 mg/day")) + "[bridge]\n", "bridge",
     "stands beside a plan; program the plan when the bridge has ended"),
    (CONSTANT + '[bridge]\n[start]\ndelay = "1 h"\n', "bridge", "stands beside a start delay; keep one of them"),
    (CONSTANT.replace("140 uL", "0 uL").replace("89 cm", "0 cm") + "[bridge]\n", "bridge",
     "the dead volume is 0: there is nothing to bridge; write the real catheter"),
    # a bolus has to fit on top of the highest dose that a plan reaches
    (steps(("1 d", "47 mg/day"), base=MORPHINE.replace("20 mg/mL", "2 mg/mL").replace("6 mg", "60 mg")),
     "patient_bolus.duration",
     "5 min makes a rate of 14.4 mL/day on top of the basal rate, above limits.max_rate, 24 mL/day; the shortest "
     "duration that fits is 144 min"),
]  # fmt: skip


@pytest.mark.req("SEC-11", "DEL-06", part="plans")
@pytest.mark.parametrize(("text", "field", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named(text: str, field: str, message: str):
    assert [tuple(problem) for problem in errors_of(text)][:1] == [(field, message)]
    assert not check(parse_model(text)).ok


READING = [
    ("10 %", '"10 %" has no sign; write change = "-10 %" or change = "+1.2 mcg/day"'),
    ("-100 %", '"-100 %" is not within -100 % (not itself) and +100 %, and not 0 %'),
    ("+101 %", '"+101 %" is not within -100 % (not itself) and +100 %, and not 0 %'),
    ("-0 %", '"-0 %" is not within -100 % (not itself) and +100 %, and not 0 %'),
    ("-ten %", '"-ten " is not a number; write it like "-10"'),
    ("+1.2 mcg", '"+1.2 mcg" is a mass where a dose per time is due, for example "2.4 mg/day"'),
    ("+0 mcg/day", '"+0 mcg/day" is zero; write an amount above zero, for example "2.4 mg/day"'),
]


@pytest.mark.parametrize(("change", "message"), READING)
def test_changes_that_are_none(change: str, message: str):
    with pytest.raises(TherapyError) as caught:
        parse_therapy(taper(change, steps=1))
    assert caught.value.problems == [("taper.change", message)]


def test_a_catheter_of_more_than_two_millilitres():
    text = CONSTANT.replace("89 cm", "400 cm").replace("2.2 uL/cm", "5.1 uL/cm")
    assert [tuple(x) for x in errors_of(text)] == [
        ("catheter.length", "2.04 mL is above the highest volume of the catheter, 2 mL")
    ]


def test_thirty_two_steps_and_no_more():
    many = [(f"{n} d", "2 mg/day") for n in range(1, 34)]
    assert errors_of(steps(*many[:32])) == []
    with pytest.raises(TherapyError, match=r"^plan: stands 33 times; the pump takes 32 at most$"):
        parse_therapy(steps(*many))


@pytest.mark.parametrize("delay", ["8 d", "-1 s", "0.5 s"])
def test_start_delays_that_are_none(delay: str):
    with pytest.raises(TherapyError, match=r"^start\.delay: "):
        parse_therapy(CONSTANT + f'[start]\ndelay = "{delay}"\n')


def used_pl(therapy: Therapy, until_s: Fraction) -> Fraction:
    """Second implementation: volume used by `until_s` after the commit, piece by piece."""
    delay = therapy.start.delay_s if therapy.start else 0
    points = [(Fraction(delay), therapy.basal.dose_ng_per_day or 0)]
    points += [(delay + Fraction(s.after_us, 10**6), s.dose_ng_per_day) for s in plan_of(therapy)]
    total = Fraction(0)
    for index, (at, dose) in enumerate(points):
        end = points[index + 1][0] if index + 1 < len(points) else until_s
        rate = Fraction(dose * 1000, therapy.primary.concentration_ng_per_ml) * 10**6 / 86400
        total += max(Fraction(0), min(end, until_s) - at) * rate
    return total


@pytest.mark.req("RES-04", part="plans")
@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(960_000, 48_000_000)), max_size=8),
    st.integers(0, 604_800),
)
def test_time_to_empty_follows_the_plan(pieces: list[tuple[int, int]], delay: int):
    at, pairs = 0, list[tuple[str, str]]()
    for days, dose in pieces:
        at += days
        pairs.append((f"{at} d", f"{dose} ng/day"))
    therapy = parse_therapy(steps(*pairs) + f'[start]\ndelay = "{delay} s"\n')
    figures = check(therapy).figures
    assert figures is not None
    assert figures.time_to_empty_s is not None
    assert used_pl(therapy.model, figures.time_to_empty_s) == 38 * 10**9
    assert figures.time_to_empty_fast_s is not None
    assert used_pl(therapy.model, figures.time_to_empty_fast_s) * Fraction(1145, 1000) == 38 * 10**9


def test_worst_case_is_at_the_highest_dose():
    report = check(parse_therapy(steps(("1 d", "4.8 mg/day"), ("2 d", "1 mg/day"))))
    assert report.figures is not None
    assert report.figures.scheduled_24h_ng == {"morphine": 4_800_000}
    document = report.as_json()
    assert document["plan"] == [
        {"after_s": "86400", "ng_per_day": "4800000"},
        {"after_s": "172800", "ng_per_day": "1000000"},
    ]


def test_steps_to_look_at_twice():
    def warned(text: str) -> list[str]:
        return [w.field for w in check(parse_therapy(text)).warnings if w.field.startswith("plan")]

    assert warned(steps(("1 d", "4.8 mg/day"), ("2 d", "1 mg/day"))) == ["plan[2].dose"]
    assert warned(taper("-31 %", base=BACLOFEN, steps=2)) == ["plan[1].dose", "plan[2].dose"]
    assert warned(taper("-30 %", base=BACLOFEN, steps=2)) == []
    ziconotide = (
        CONSTANT.replace("morphine", "ziconotide")
        .replace("20 mg/mL", "25 mcg/mL")
        .replace("2.4 mg", "2.4 mcg")
    )
    assert warned(taper("+2.4 mcg/day", base=ziconotide, steps=1)) == []
    assert warned(steps(("1 d", "2.5 mcg/day"), ("2 d", "4.901 mcg/day"), base=ziconotide)) == [
        "plan[2].dose"
    ]
