"""A clinician's bolus: read exactly, refused by name; and therapies read back from the wire."""

import pytest

from host.samples import CONSTANT, DRUG, HEAD, MORPHINE, flex, with_lines
from thecal.boluses import read_bolus, to_therapy
from thecal.errors import TherapyError
from thecal.therapy import parse_therapy
from thecal.therapy_wire import to_wire

MIXTURE = (
    HEAD
    + DRUG
    + '[[drug]]\nname = "bupivacaine"\nconcentration = "5 mg/mL"\n'
    + '[basal]\nmode = "minimum"\n'
    + '[[periodic_bolus]]\ndose = "0.1 mg"\nduration = "300.000001 s"\nevery = "6 h"\nfirst = "2 h"\n'
    + '[limits]\nmax_dose_1h = "1 mg"\n[limits.drug.bupivacaine]\nmax_dose_24h = "1 mg"\n'
)


@pytest.mark.parametrize(
    "text",
    [
        MORPHINE,
        CONSTANT,
        MIXTURE,
        CONSTANT.replace("continuous", "stopped").replace('dose = "2.4 mg/day"\n', ""),
        flex(("00:00", "2.400001 mg/day"), ("09:00", "4 mg/day", ["sat", "sun"])),
    ],
)
def test_back_from_the_wire(text: str):
    therapy = parse_therapy(text)
    assert to_wire(to_therapy(to_wire(therapy))) == to_wire(therapy)


def test_a_good_bolus():
    running = to_wire(parse_therapy(MORPHINE))
    expected = {"dose_ng": 200_000, "duration_us": 600_000_000, "extended": 0}
    assert read_bolus("0.2 mg", "10 min", running=running) == expected
    assert read_bolus("0.2 mg", "10 min", extended=True) == {**expected, "extended": 1}


BAD = [
    ("0.2", "10 min", 'bolus.dose: "0.2" has no unit; write a mass with its unit, for example "0.1 mg"'),
    (
        "0.2 mg",
        "0 min",
        'bolus.duration: "0 min" is zero; write an amount above zero, for example "5 min"',
    ),
    ("0.2 mL", "10 min", 'bolus.dose: "0.2 mL" is a volume where a mass is due, for example "0.1 mg"'),
    ("0.2 mg", "25 h", "bolus.duration: 25 h is above the highest bolus duration, 24 h"),
    ("7 mg", "1 h", "bolus.dose: 7 mg of morphine is more than its limit for 24 h, 6 mg"),
    (
        "2 mg",
        "6 min",
        "bolus.duration: 6 min makes a rate of 24 mL/day on top of the basal rate, above limits.max_rate, "
        "24 mL/day; the shortest duration that fits is 361.809046 s",
    ),
]


@pytest.mark.req("HOST-01", "SEC-11", part="bolus")
@pytest.mark.parametrize(("dose", "duration", "message"), BAD)
def test_bad_boluses(dose: str, duration: str, message: str):
    with pytest.raises(TherapyError) as caught:
        read_bolus(dose, duration, running=to_wire(parse_therapy(MORPHINE)))
    assert str(caught.value) == message


def test_larger_than_the_reservoir():
    running = to_wire(parse_therapy(with_lines(CONSTANT, concentration="1 mg/mL")))
    with pytest.raises(TherapyError, match=r"50 mg is 50 mL, more than the reservoir holds, 40 mL"):
        read_bolus("50 mg", "24 h", running=running)
