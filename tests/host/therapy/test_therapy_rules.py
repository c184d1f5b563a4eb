"""Rules over several fields, and boluses that do not fit: refused by name, word for word."""
# ruff: noqa: E501 -- messages are quoted whole

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.therapy.samples import BASAL, CONSTANT, DRUG, HEAD, MORPHINE, errors_of, flex, with_lines
from thecal.errors import TherapyError
from thecal.therapy.load import load_therapy, parse_model
from thecal.therapy.rules.whole import bolus_errors

BUPIVACAINE = DRUG + '[[drug]]\nname = "bupivacaine"\nconcentration = "5 mg/mL"\n'
BACLOFEN = '[[drug]]\nname = "Baclofen"\nconcentration = "1000 mcg/mL"\n'


def errors(text: str) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in errors_of(text)]


def periodic(dose: str, duration: str, every: str, first: str) -> str:
    return f'[[periodic_bolus]]\ndose = "{dose}"\nduration = "{duration}"\nevery = "{every}"\nfirst = "{first}"\n'


def patient(dose: str = "0.1 mg", duration: str = "5 min", lockout: str = "2 h") -> str:
    return (
        f'[patient_bolus]\ndose = "{dose}"\nduration = "{duration}"\nlockout = "{lockout}"\nmax_per_24h = 6\n'
    )


RULES = [
    (with_lines(MORPHINE, reservoir="20 mL"), [("pump.fill", "40 mL is more than the reservoir holds, 20 mL")]),
    (with_lines(MORPHINE, low_reservoir="40 mL"), [
        ("alarms.low_reservoir", "40 mL is not below the reservoir's 40 mL: it would always sound")]),
    (HEAD + DRUG + DRUG.replace("morphine", "Morphine") + BASAL, [
        ("drug[2].name", '"Morphine" stands twice; name each drug once')]),
    (MORPHINE + '[limits.drug.fentanyl]\nmax_dose_24h = "1 mg"\n', [
        ("limits.drug.fentanyl", "no [[drug]] has this name; the drugs are morphine")]),
    (MORPHINE + '[limits.drug.morphine]\nmax_dose_24h = "7 mg"\n', [
        ("limits.max_dose_24h",
         "stands twice: also at limits.drug.morphine.max_dose_24h; keep one of them")]),
    # basal modes
    (HEAD + DRUG + '[basal]\nmode = "continuous"\n', [
        ("basal.dose", 'is missing; mode "continuous" needs it: dose = "2.4 mg/day"')]),
    (CONSTANT.replace("continuous", "minimum"), [
        ("basal.dose", 'belongs to mode "continuous"; mode "minimum" has none')]),
    (HEAD + DRUG + '[basal]\nmode = "flex"\n', [
        ("basal.step", 'is missing; mode "flex" needs at least one [[basal.step]]')]),
    (flex(("06:00", "1 mg/day")).replace('"flex"', '"stopped"'), [
        ("basal.step", 'belongs to mode "flex"; mode "stopped" has none')]),
    # rates
    (with_lines(CONSTANT, dose="0.95 mg/day"), [
        ("basal.dose", "950 mcg/day is 0.0475 mL/day at this concentration, below the lowest basal rate, 48 uL/day "
                       "(960 mcg/day)")]),
    (with_lines(CONSTANT, dose="50 mg/day", concentration="2 mg/mL"), [
        ("basal.dose", "50 mg/day is 25 mL/day at this concentration, above the highest basal rate, 24 mL/day "
                       "(48 mg/day)")]),
    (with_lines(MORPHINE, dose="45 mg/day", max_rate="2 mL/day", max_dose_24h="100 mg"), [
        ("basal.dose", "45 mg/day is 2.25 mL/day at this concentration, above limits.max_rate, 2 mL/day "
                       "(40 mg/day)")]),
    (flex(("00:00", "2 mg/day"), ("06:00", "0.9 mg/day")), [
        ("basal.step[2].dose", "900 mcg/day is 0.045 mL/day at this concentration, below the lowest basal rate, "
                               "48 uL/day (960 mcg/day)")]),
    # flex order
    (flex(("06:00", "2 mg/day"), ("00:00", "2 mg/day")), [
        ("basal.step[2].start", "00:00 is out of order: it comes after 06:00; sort the steps by start")]),
    (flex(("06:00", "2 mg/day"), ("06:00", "3 mg/day")), [
        ("basal.step[2].start", "06:00 is doubled: step 1 starts then too")]),
    (flex(("06:00", "2 mg/day"), ("06:00", "3 mg/day", ["sat", "sun"])), [
        ("basal.step[2].start", "06:00 is doubled on sat sun: step 1 starts then too")]),
    (flex(("00:00", "2 mg/day"), ("22:15", "2 mg/day"), ("09:00", "3 mg/day", ["sat", "sun"])), []),
    (flex(("06:00", "2 mg/day", ["mon"]), ("06:00", "3 mg/day", ["tue"])), []),
    (flex(*[(f"{n // 2:02}:{n % 2 * 30:02}", "2 mg/day") for n in range(48)]), []),
    (flex(*[(f"{n // 2:02}:{n % 2 * 30:02}", "2 mg/day") for n in range(48)], ("00:15", "2 mg/day", ["wed"])), [
        ("basal.step", "49 steps on wed; the pump takes 48 a day")]),
    # periodic boluses
    (CONSTANT + periodic("0.1 mg", "10 min", "9 min", "1 h"), [
        ("periodic_bolus[1].every", "9 min is shorter than the bolus itself, 10 min")]),
    (CONSTANT + periodic("0.1 mg", "30 min", "30 min", "1 h"), []),
    (CONSTANT + periodic("0.1 mg", "10 min", "29 min", "1 h"), [
        ("periodic_bolus", "50 boluses in 24 h; the pump takes 48 of all together")]),
    (CONSTANT + periodic("2 mg", "6 min", "1 d", "1 h"), [
        ("periodic_bolus[1].duration",
         "6 min makes a rate of 24 mL/day on top of the basal rate, above limits.max_rate, 24 mL/day; the shortest "
         "duration that fits is 361.809046 s")]),
    (CONSTANT + periodic("1 mg", "5 min", "6 h", "1 h") + periodic("1 mg", "5 min", "4 h", "0.98 h"), [
        ("periodic_bolus",
         "all at the same time they reach 28.92 mL/day with the highest basal rate, above limits.max_rate, "
         "24 mL/day; make them longer")]),
    (CONSTANT + periodic("1 mg", "6 min", "6 h", "1 h") + periodic("1 mg", "7 min", "4 h", "2 h"), []),
    # patient bolus
    (CONSTANT + patient(dose="0.1 g"), [
        ("patient_bolus.duration",
         "5 min makes a rate of 1440 mL/day on top of the basal rate, above limits.max_rate, 24 mL/day; the shortest "
         "duration that fits is 18090.452262 s")]),
    (with_lines(CONSTANT, dose="4 mg/day", concentration="1 mg/mL") + patient(dose="50 mg", duration="24 h"), [
        (
            "patient_bolus.dose",
            "50 mg is 50 mL, more than the reservoir holds above the 500 uL at which the pump halts; "
            "bolus dose: at most 39.5 mg",
        ),
        ("patient_bolus.duration",
         "24 h makes a rate of 50 mL/day on top of the basal rate, above limits.max_rate, 24 mL/day; it would "
         "not fit within 24 h: give less")]),
    (CONSTANT + patient(dose="3 mg", duration="1 h")
     + '[limits]\nmax_dose_24h = "2.5 mg"\nmax_dose_1h = "2.9 mg"\n', [
        ("patient_bolus.dose", "3 mg of morphine is more than its limit for 24 h, 2.5 mg"),
        ("patient_bolus.dose", "3 mg of morphine is more than its limit for 1 h, 2.9 mg")]),
    (HEAD + BUPIVACAINE + BASAL + patient(dose="1 mg")
     + '[limits.drug.bupivacaine]\nmax_dose_1h = "0.2 mg"\n', [
        ("patient_bolus.dose", "250 mcg of bupivacaine is more than its limit for 1 h, 200 mcg")]),
    (HEAD + BACLOFEN + '[basal]\nmode = "minimum"\n' + patient(dose="1 mcg"), [
        ("patient_bolus", "is not allowed with Baclofen in the pump; remove it (thecal clinical notes, drug table: "
                          "baclofen has no patient bolus (provisional))")]),
    # the schedule alone passes a limit
    (CONSTANT + '[limits]\nmax_dose_24h = "2.3 mg"\n', [
        ("limits.max_dose_24h", "the schedule alone gives 2.4 mg of morphine in the worst 24 h, above the limit of "
                                "2.3 mg")]),
    (CONSTANT + periodic("0.5 mg", "30 min", "6 h", "1 h") + '[limits]\nmax_dose_1h = "0.55 mg"\n', [
        ("limits.max_dose_1h", "the schedule alone gives 600 mcg of morphine in the worst hour, above the limit of "
                               "550 mcg")]),
    (HEAD + BUPIVACAINE + BASAL + '[limits.drug.bupivacaine]\nmax_dose_24h = "0.5 mg"\n', [
        ("limits.drug.bupivacaine.max_dose_24h",
         "the schedule alone gives 600 mcg of bupivacaine in the worst 24 h, above the limit of 500 mcg")]),
]  # fmt: skip


@pytest.mark.req("DEL-06", "SEC-11", part="host")
@pytest.mark.parametrize(("text", "expected"), RULES, ids=range(len(RULES)))
def test_rules(text: str, expected: list[tuple[str, str]]):
    assert errors(text) == expected


def test_a_full_rate_leaves_no_room_for_a_bolus():
    text = with_lines(CONSTANT, dose="48 mg/day", concentration="2 mg/mL") + patient()
    (problem,) = errors(text)
    assert problem == (
        "patient_bolus.duration",
        "5 min makes a rate of 14.4 mL/day on top of the basal rate, above limits.max_rate, 24 mL/day; the basal "
        "rate alone reaches it: no duration fits",
    )


def test_bounds_themselves_are_allowed():
    assert errors(with_lines(CONSTANT, dose="0.96 mg/day")) == []
    assert errors(with_lines(CONSTANT, dose="48 mg/day", concentration="2 mg/mL")) == []


def test_loading_applies_the_rules(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(with_lines(MORPHINE, reservoir="20 mL"))
    with pytest.raises(TherapyError, match=r"^pump\.fill: 40 mL is more than the reservoir holds, 20 mL$"):
        load_therapy(path)


@given(dose=st.integers(1, 100_000_000), duration=st.integers(1_000_000, 86_400_000_000))
def test_the_shortest_duration_fits_and_a_microsecond_less_does_not(dose: int, duration: int):
    therapy = parse_model(
        with_lines(MORPHINE, concentration="1 mg/mL", dose="3.1 mg/day", max_dose_24h="1000 mg")
    )
    rate = [p for p in bolus_errors(therapy, dose, duration, "bolus") if p.field == "bolus.duration"]
    room = Fraction(24 * 10**9 - 3_100_000_000, 86_400_000_000)  # pL/us
    fits = Fraction(dose * 1000, duration) <= room
    assert bool(rate) != fits
    if rate:
        shortest = -(-Fraction(dose * 1000) // room)
        assert not [p for p in bolus_errors(therapy, dose, shortest, "b") if p.field == "b.duration"]
        assert [p for p in bolus_errors(therapy, dose, shortest - 1, "b") if p.field == "b.duration"]
        from thecal.units.amounts import duration_text

        if shortest <= 86_400_000_000:
            assert rate[0].message.endswith(
                f"the shortest duration that fits is {duration_text(int(shortest))}"
            )
