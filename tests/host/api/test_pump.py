"""`from thecal import Pump` against an emulated pump whose time we hold."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import thecal
from support.one_pump import HOUR_US, MORPHINE
from support.pressing import presser
from thecal import Pump, ThecalError
from thecal.emulator.emulator import Emulator
from thecal.errors import PortError, Refused
from thecal.link.uncertain_delivery import Unanswered
from thecal.units.quantities import QuantityError


def test_importing_is_quick():
    """Nothing heavy before something needs it (docs/reference/python-api.md)."""
    heavy = {"pint", "pydantic", "rich", "typer", "numpy", "matplotlib", "sqlalchemy", "textual"}
    code = f"import sys; from thecal import Pump; print({heavy} & set(sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    code = (
        "import sys, thecal; print(*(m for m in sys.modules if m.startswith(('thecal.', 'thecal_protocol'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["thecal_protocol", "thecal_protocol.version"]


def test_what_the_package_does_not_have():
    assert set(thecal.__all__) <= {*dir(thecal), "Emulator", "Pump", "ThecalError"}
    with pytest.raises(AttributeError, match="no attribute 'Pumps'"):
        _ = thecal.Pumps  # pyright: ignore[reportAttributeAccessIssue]


def test_without_a_port(monkeypatch: pytest.MonkeyPatch, emulator: Emulator):
    monkeypatch.delenv("THECAL_PORT", raising=False)
    with pytest.raises(PortError, match="which pump"):
        Pump()
    monkeypatch.setenv("THECAL_PORT", emulator.port)
    with Pump() as pump:
        assert pump.port == emulator.port


def test_the_port_is_given_back(emulator: Emulator):
    with Pump(emulator.port) as pump:
        assert pump.serial == "UNIX-C4494050"
        with pytest.raises(PortError, match="in use"):
            Pump(emulator.port)
    with Pump(emulator.port) as pump:
        assert pump.state == "unprogrammed"
        assert pump.therapy() is None


def test_a_wrong_therapy_opens_nothing_up(pump: Pump, tmp_path: Path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(MORPHINE.read_text().replace('"2.4 mg/day"', '"240 mg/day"'))
    with pytest.raises(ThecalError):
        pump.propose_program(wrong)
    assert pump.status().status.basal_ng_per_day == 2_400_000


@pytest.mark.req("HOST-02", part="the Python API: nothing changes between proposal and commit")
def test_two_steps(pump: Pump, emulator: Emulator):
    bolus = pump.propose_bolus("0.2 mg", over="10 min")
    assert pump.status().status.bolus is None
    pump.abort()
    with pytest.raises(Refused, match="no_proposal"):
        bolus.commit()
    again = pump.propose_bolus("0.2 mg", over="10 min").commit()
    assert again["dose_ng"] == "200000"
    assert pump.status().status.bolus == "clinician_bolus"
    emulator.bench.advance_by(HOUR_US)
    assert pump.status().delivered_ng == {"morphine": 600_000}
    assert pump.accounts().volume_pl_by_source["clinician_bolus"] == 10_000_000


@pytest.mark.req("HOST-01", part="the Python API")
@pytest.mark.parametrize("dose", ["0.2", "", "0.2 mL", "-1 mg", "0 mg"])
def test_an_amount_needs_its_unit(pump: Pump, dose: str):
    with pytest.raises(QuantityError):
        pump.propose_bolus(dose, over="10 min")


def test_at_once(pump: Pump, emulator: Emulator):
    pump.stop("20 min")
    assert pump.state == "stopped"
    emulator.bench.advance_by(HOUR_US)
    assert pump.state == "infusing"
    pump.stop()
    pump.resume()
    assert isinstance(pump.patient_bolus(), int)
    emulator.bench.advance_by(HOUR_US // 6)
    with pytest.raises(ThecalError, match="ask again in 1 h 50 min"):
        pump.patient_bolus()
    for action in (pump.cancel_plan, pump.skip_bridge):
        with pytest.raises(Refused, match="not_running"):
            action()


def test_the_clock(pump: Pump):
    noon = datetime(2026, 1, 5, 12)
    assert pump.propose_clock(noon).commit() == noon
    change = pump.propose_clock(offset="-30 min")
    assert (change.before, change.after) == (noon, noon - timedelta(minutes=30))
    assert pump.local_time() == noon
    change.commit()
    assert pump.local_time() == noon - timedelta(minutes=30)
    with pytest.raises(ValueError, match="either"):
        pump.propose_clock(noon, offset="+1h")


def test_refill_and_prime(pump: Pump):
    refill = pump.propose_refill("40 mL", residual="39.6 mL")
    assert "less than counted" in refill.words()[1]
    refill.commit()
    assert pump.status().status.reservoir_pl == 40_000_000_000
    with pytest.raises(Refused, match="implant_flag"):
        pump.propose_prime(dry=True, implant=False)


@pytest.mark.req("DEL-13", part="through the Python API")
def test_refill_and_program(pump: Pump, emulator: Emulator, tmp_path: Path):
    path = tmp_path / "weaker.toml"
    path.write_text(MORPHINE.read_text().replace("20 mg/mL", "10 mg/mL"))
    pump.client.button = presser(emulator)
    refill = pump.propose_refill("40 mL", residual="39.6 mL", lot="B", program=path)
    assert refill.review is not None
    committed = refill.commit()
    assert committed is not None
    assert pump.accounts().fillings[-1].drugs[0].concentration_ng_per_ml == 10_000_000
    assert pump.client.reservoir().lot == "B"


def test_the_log(pump: Pump):
    kinds = [event.kind for event in pump.log()]
    assert "program_committed" in kinds
    assert [event.kind for event in pump.log(count=2)] == kinds[-2:]
    assert {limit.name for limit in pump.limits()} >= {"basal_rate_pl_per_day"}


def test_the_pump_dies_before_the_commit(emulator: Emulator):
    """What became of it is said, and it is the truth: not known."""
    with Pump(emulator.port) as pump:
        review = pump.propose_program(MORPHINE, keep_clock=True)
        emulator.kill()
        with pytest.raises(Unanswered, match="not known"):
            review.commit()


@pytest.mark.req("SEC-05", part="the Python API with the patient's key")
def test_roles(emulator: Emulator, pump: Pump, monkeypatch: pytest.MonkeyPatch):
    pump.close()
    with Pump(emulator.port, role="observer") as watching:
        assert watching.status().therapy == "Constant morphine"
        with pytest.raises(Refused, match="wrong_role"):
            watching.stop()
    with Pump(emulator.port, role="patient") as patient:
        shown = patient.status()
        assert dict(shown.rows())["therapy"] == "not told to this role"
        assert dict(shown.rows())["delivered"] == "not told to this role"
        assert shown.as_json()["delivered_ng"] == {}
        assert isinstance(patient.patient_bolus(), int)
        for forbidden in (patient.therapy, patient.log, patient.accounts):
            with pytest.raises(Refused, match="wrong_role"):
                forbidden()
    monkeypatch.setenv("THECAL_ROLE", "manufacturer")
    with Pump(emulator.port) as maker, pytest.raises(Refused, match="wrong_role"):
        maker.resume()
    with pytest.raises(ThecalError, match="there is no role 'nurse'"):
        Pump(emulator.port, role="nurse")
    with Pump(emulator.port, role="clinician") as again:  # the port was never taken by the wrong one
        assert again.role == "clinician"
