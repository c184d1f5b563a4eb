"""Every refusal has words of its own, and every error is one line."""

import pytest

from thecal import errors
from thecal.errors import Refused, ThecalError, TherapyError
from thecal_protocol.messages import REFUSALS


@pytest.mark.req("SEC-04", part="refusals have names and words")
@pytest.mark.parametrize(("number", "name"), REFUSALS[1:])
def test_every_refusal_says_what_it_means_and_what_to_do(number: int, name: str):
    refused = Refused(name, number, 0x22, "patient_bolus", "")
    assert refused.message.startswith(f"the pump refused the patient's bolus: {name}, ")
    assert refused.hint
    assert "\n" not in str(refused)


def test_the_pumps_own_hint_is_shown():
    refused = Refused("out_of_range", 7, 0x10, "propose", "basal_dose_ng_per_day")
    assert "(basal_dose_ng_per_day)" in str(refused)


def test_no_words_for_refusals_that_are_none():
    assert set(errors.REFUSAL_TEXTS) == {name for _, name in REFUSALS[1:]}


def test_therapy_errors_list_every_field():
    error = TherapyError([("basal.dose", "no unit"), ("", "no [pump]")], "see the example")
    assert str(error) == "basal.dose: no unit; no [pump]; see the example"
    assert error.problems == [("basal.dose", "no unit"), ("", "no [pump]")]


def test_a_hint_is_optional():
    assert str(ThecalError("what was wrong")) == "what was wrong"
