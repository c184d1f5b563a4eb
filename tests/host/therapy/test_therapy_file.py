"""Therapy files: what is read, and every way to get one wrong, word for word."""
# ruff: noqa: E501 -- messages are quoted whole

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from host.therapy.samples import CONSTANT, DRUG, EXAMPLES, HEAD, MORPHINE, PATIENT, flex, with_lines
from thecal.errors import TherapyError
from thecal.therapy.load import load_therapy, parse_model, parse_therapy
from thecal.therapy.models import EXAMPLES as FIELD_LINES
from thecal.therapy.models import Therapy


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(TherapyError) as caught:
        parse_model(text, "sample.toml")
    assert "\n" not in str(caught.value)
    return [(field, message) for field, message in caught.value.problems]


def test_the_whole_of_a_therapy():
    extra = """\
[[periodic_bolus]]
dose = "0.05 mg"
duration = "5 min"
every = "6 h"
first = "2 h"
"""
    therapy = parse_model(HEAD + DRUG + '[[drug]]\nname = "bupivacaine"\nconcentration = "7.5 mg/mL"\n'
                            + CONSTANT.removeprefix(HEAD + DRUG) + extra + PATIENT
                            + '[limits]\nmax_dose_24h = "6 mg"\nmax_rate = "12 mL/day"\n'
                            + '[limits.drug.bupivacaine]\nmax_dose_24h = "4 mg"\nmax_dose_1h = "1 mg"\n')  # fmt: skip
    assert therapy.name == "sample"
    assert therapy.pump.step_volume_pl == 2500
    assert therapy.catheter.volume_per_length_pl_per_cm == 2_200_000
    assert [drug.concentration_ng_per_ml for drug in therapy.drugs] == [20_000_000, 7_500_000]
    assert therapy.basal.dose_ng_per_day == 2_400_000
    assert therapy.periodic_boluses[0].every_us == 21_600_000_000
    assert therapy.patient_bolus is not None
    assert therapy.patient_bolus.max_per_24h == 6
    assert therapy.limits.max_rate_pl_per_day == 12 * 10**9
    assert therapy.limits_of(therapy.drugs[0]) == (6_000_000, None)
    assert therapy.limits_of(therapy.drugs[1]) == (4_000_000, 1_000_000)
    assert (therapy.alarms.low_reservoir_pl, therapy.alarms.max_pause_s) == (2 * 10**9, 1800)


def test_flex_days():
    therapy = parse_model(flex(("00:00", "0.0713 mg/h"), ("09:00", "0.2 mg/h", ["sat", "sun"])))
    assert [(step.start_min, step.days, step.dose_ng_per_day) for step in therapy.basal.steps] == [
        (0, 127, 1_711_200),
        (540, 0b1100000, 4_800_000),
    ]


SINGLE = [
    # (line to set, its value as TOML, the field, the message)
    ("reservoir", "40", "pump.reservoir", '40 has no unit; write a volume in quotes with its unit, for example "40 mL"'),
    ("reservoir", '"40 mg"', "pump.reservoir", '"40 mg" is a mass where a volume is due, for example "40 mL"'),
    ("reservoir", '"101 mL"', "pump.reservoir", "101 mL is above the highest reservoir volume, 100 mL"),
    ("step_volume", "2.5", "pump.step_volume",
     '2.5 has no unit; write a volume in quotes with its unit, for example "2.5 nL"'),
    ("step_volume", '"99 pL"', "pump.step_volume", "99 pL is below the lowest step volume, 100 pL"),
    ("step_volume", '"0.0999 nL"', "pump.step_volume", "99.9 pL is below the lowest step volume, 100 pL"),
    ("step_volume", '"10.001 uL"', "pump.step_volume", "10.001 uL is above the highest step volume, 10 uL"),
    ("step_volume", '"2.5001 nL"', "pump.step_volume",
     '"2.5001 nL" is not a whole number of pL; the nearest that are: "2.5 nL" or "2.501 nL"'),
    ("concentration", '"101 mg/mL"', "drug[1].concentration",
     "101 mg/mL is above the highest concentration, 100 mg/mL"),
    ("concentration", '"0.5 ng/mL"', "drug[1].concentration",
     '"0.5 ng/mL" is less than the pump can hold; the smallest amount is "1 ng/mL"'),
    ("concentration", '"20 mg"', "drug[1].concentration",
     '"20 mg" is a mass where a concentration is due, for example "20 mg/mL"'),
    ("dose", '"101 mg/day"', "basal.dose", "101 mg/day is above the highest dose per day, 100 mg/day"),
    ("dose", '"0 mg/day"', "basal.dose", '"0 mg/day" is zero; write an amount above zero, for example "2.4 mg/day"'),
    ("dose", '"-2.4 mg/day"', "basal.dose",
     '"-2.4 mg/day" is negative; write an amount above zero, for example "2.4 mg/day"'),
    ("dose", "2.4", "basal.dose",
     '2.4 has no unit; write a dose per time in quotes with its unit, for example "2.4 mg/day"'),
    ("dose", '"2.4"', "basal.dose", '"2.4" has no unit; write a dose per time with its unit, for example "2.4 mg/day"'),
    ("dose", '"2.4 mL/day"', "basal.dose",
     '"2.4 mL/day" is a volume per time where a dose per time is due, for example "2.4 mg/day"'),
    ("mode", '"continous"', "basal.mode",
     "\"continous\" is none of 'continuous', 'flex', 'minimum' or 'stopped'"),
    ("duration", '"0 min"', "patient_bolus.duration",
     '"0 min" is zero; write an amount above zero, for example "5 min"'),
    ("duration", '"0.5 s"', "patient_bolus.duration", "500 ms is below the lowest bolus duration, 1 s"),
    ("lockout", '"25 h"', "patient_bolus.lockout", "25 h is above the highest lockout, 24 h"),
    ("max_per_24h", '"6"', "patient_bolus.max_per_24h",
     '"6" is not a plain whole number; write for example: max_per_24h = 6'),
    ("max_per_24h", "0", "patient_bolus.max_per_24h", "0 is not within 1 to 96"),
    ("max_per_24h", "true", "patient_bolus.max_per_24h",
     '"True" is not a plain whole number; write for example: max_per_24h = 6'),
    ("max_rate", '"24.001 mL/day"', "limits.max_rate", "24.001 mL/day is above the highest maximum rate, 24 mL/day"),
    ("max_pause", '"49 h"', "alarms.max_pause", "49 h is above the highest pause, 48 h"),
    ("schema", "2", "schema",
     "2 is a version of this file format that is not known; this thecal reads: schema = 1"),
    ("schema", "true", "schema",
     "True is a version of this file format that is not known; this thecal reads: schema = 1"),
    ("name", '""', "name", "is empty or holds characters that cannot be shown; write plain words"),
    ("name", "3", "name", '3 is not text; write it in quotes: "3"'),
    ("name", '"' + "x" * 65 + '"', "name", "is longer than the 64 bytes that the pump keeps; shorten it"),
]  # fmt: skip


@pytest.mark.req("HOST-01", "DEL-06")
@pytest.mark.parametrize(("name", "value", "field", "message"), SINGLE)
def test_one_wrong_field(name: str, value: str, field: str, message: str):
    text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}".replace("\\", ""), MORPHINE, count=1)
    assert problems(text) == [(field, message)]


DOCUMENT = [
    (HEAD, [("drug", "is missing; write for example: [[drug]]"), ("basal", "is missing; write for example: [basal]")]),
    (MORPHINE.replace('dose = "0.1 mg"\n', ""), [
        ("patient_bolus.dose", 'is missing; write for example: dose = "0.1 mg"')]),
    (MORPHINE + 'max_pauze = "1 h"\n', [
        ("alarms.max_pauze", "is not a known field; did you mean max_pause? known here: low_reservoir, "
                             "low_reservoir_days, max_pause")]),
    (MORPHINE + '[limits.drug.morphine]\nmax_dose = "1 mg"\n', [
        ("limits.drug.morphine.max_dose", "is not a known field; did you mean max_dose_1h? known here: max_dose_24h, "
                                          "max_dose_1h")]),
    (MORPHINE.replace("[patient_bolus]", "[[patient_bolus]]"), [
        ("patient_bolus", "is not a section of its own; write for example: [patient_bolus]")]),
    (CONSTANT + DRUG.replace("morphine", "b") * 5, [
        ("drug", "stands 6 times; the pump takes 5 at most")]),
    (flex(("6:00", "1 mg/day")), [
        ("basal.step[1].start", '"6:00" is not a time of day; write hours and minutes in quotes, "00:00" to "23:59"')]),
    (flex(("24:00", "1 mg/day")), [
        ("basal.step[1].start", '"24:00" is not a time of day; write hours and minutes in quotes, "00:00" to "23:59"')]),
    (flex(("06:00", "1 mg/day", ["mon", "fry"])), [
        ("basal.step[1].days", '"fry" is not a day; the days are mon, tue, wed, thu, fri, sat, sun')]),
    (flex(("06:00", "1 mg/day", ["mon", "mon"])), [("basal.step[1].days", '"mon" stands twice')]),
    (flex(("06:00", "1 mg/day", [])), [
        ("basal.step[1].days", 'is not a list of days; write for example: days = ["mon", "tue"]')]),
    (flex(("00:00", "1 mg/day"), ("06:00", "1 mg")), [
        ("basal.step[2].dose", '"1 mg" is a mass where a dose per time is due, for example "2.4 mg/day"')]),
    ("schema = 1\nname = \n", [
        ("", "sample.toml is not valid TOML: Invalid value (at line 2, column 8)")]),
    ('schema = 1\n[pump\nfill = "4 mL"\n', [
        ("", "sample.toml is not valid TOML: Expected ']' at the end of a table declaration (at line 2, column 6)")]),
    ("schema = 1\nschema", [
        ("", "sample.toml is not valid TOML: Expected '=' after a key in a key/value pair "
             "(at line 2, column 7: the end of the file)")]),
    ("schema = 1\nschema = 1\n", [
        ("", "sample.toml is not valid TOML: Cannot overwrite a value (at line 2, column 11)")]),
    ("x = " + "[" * 100_000, [("", "sample.toml is not valid TOML: it is nested too deep")]),
    ("x = " + "1" * 10_000, [("", "sample.toml is not valid TOML: a number in it is too long")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), DOCUMENT, ids=range(len(DOCUMENT)))
def test_one_wrong_document(text: str, expected: list[tuple[str, str]]):
    assert problems(text) == expected


def test_every_problem_is_named_at_once():
    text = with_lines(MORPHINE, dose="2.4", step_volume="1 mg", lockout="2 d", low_reservoir="x")
    assert [field for field, _ in problems(text)] == [
        "pump.step_volume",
        "basal.dose",
        "patient_bolus.lockout",
        "alarms.low_reservoir",
    ]


def test_files_that_cannot_be_read(tmp_path: Path):
    missing, binary, big = tmp_path / "none.toml", tmp_path / "binary.toml", tmp_path / "big.toml"
    binary.write_bytes(b"a = \xff")
    big.write_bytes(b"#" * 1_000_001)
    for path, message in (
        (
            missing,
            f"{missing} cannot be read: no such file or directory; correct its name, or say in which folder it is",
        ),
        (tmp_path, f"{tmp_path} cannot be read: is a directory; name another file"),
        (binary, f"{binary} is not UTF-8 text (byte 4); is it the right file?"),
        (big, f"{big} is larger than 1000000 bytes; is it the right file?"),
    ):
        with pytest.raises(TherapyError) as caught:
            load_therapy(path)
        assert str(caught.value) == message


def test_a_byte_order_mark_is_no_harm(tmp_path: Path):
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MORPHINE.replace("\n", "\r\n").encode())
    assert load_therapy(path) == parse_therapy(MORPHINE)


def fields_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every field a file may have, by following the models."""
    names = set[str]()
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        names.add(path)
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                deeper = f"{path}.NAME" if "dict" in str(field.annotation) else path
                names |= {deeper} | fields_of(inner, f"{deeper}.")
    return names


def test_every_field_has_its_line_for_messages():
    assert set(FIELD_LINES) == fields_of(Therapy)


def test_each_line_sets_its_own_field():
    for path, line in FIELD_LINES.items():
        assert re.fullmatch(rf"\[+{path}(\.NAME)?\]+|{path.rpartition('.')[2]} = .+", line), path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_sound(path: Path):
    assert load_therapy(path).name


def test_there_are_three_examples():
    assert [path.stem for path in EXAMPLES] == [
        "baclofen-night-rise",
        "morphine-constant",
        "ziconotide-low-dose",
    ]


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.text(max_size=8)
    | st.just("1 mg")
    | st.just("5 min"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([key.rpartition(".")[2] for key in FIELD_LINES]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([key for key in FIELD_LINES if "." not in key]), _VALUES))
def test_any_document_ends_in_problems_not_in_a_crash(document: dict[str, object]):
    from pydantic import ValidationError

    from thecal.therapy.toml_file import problems_of

    with pytest.raises(ValidationError) as caught:
        Therapy.model_validate(document)
    for field, message in problems_of(caught.value, FIELD_LINES):
        assert field
        assert "\n" not in message
