"""The store in other forms, read back by others: the csv module, pyarrow, fhir.resources."""

import csv
import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle

from host.history.samples import held, log, write
from thecal import Pump, cli
from thecal.emulator.emulator import Emulator
from thecal.errors import ThecalError
from thecal.history import command, export
from thecal.history.collect import remember
from thecal.history.database import Store

MORPHINE = Path(__file__).resolve().parents[3] / "examples" / "morphine-constant.toml"
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a pump with a bolus given, one cut short, a refill; and of another pump with an odd log."""
    path = tmp_path_factory.mktemp("export") / "store.sqlite"
    with Emulator(seed=1) as emulator, Pump(emulator.port) as pump:
        done = pump.propose_program(MORPHINE, keep_clock=True).commit()
        assert done
        assert remember(pump, "program", committed_us=done.at.total_us, path=path) == ""
        emulator.bench.advance_by(HOUR_US)
        pump.propose_bolus("0.2 mg", over="10 min").commit()
        emulator.bench.advance_by(HOUR_US)
        pump.propose_bolus("0.3 mg", over="30 min").commit()
        emulator.bench.advance_by(HOUR_US // 4)
        pump.stop()
        pump.resume()
        refill = pump.propose_refill("40 mL", residual="39.5 mL")
        refill.commit()
        amounts = (refill.volume_pl, refill.residual_pl, refill.counted_pl)
        assert remember(pump, "refill", refill=amounts, path=path) == ""
    with Store.open(path) as store:
        from thecal.history import log_files

        store.add_log("P-1", log_files.read(write(path.with_name("log.jsonl"), log(1, 400))))
    return path


@pytest.fixture
def store(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("THECAL_STORE", str(place))
    with Store.open(place) as store:
        yield store


def test_csv(store: Store, tmp_path: Path):
    command.export("csv", tmp_path, "", 0, "")
    with (tmp_path / "records.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    wanted = held(store)
    assert [{name: str(value) for name, value in row.items()} for row in wanted] == read
    with (tmp_path / "programs.csv").open(newline="") as file:
        (program,) = csv.DictReader(file)
    assert json.loads(program["therapy"])["name"] == program["name"] == "Constant morphine"
    assert {path.name for path in tmp_path.glob("*.*")} == {f"{sheet.name}.csv" for sheet in export.SHEETS}


def test_parquet(store: Store, tmp_path: Path):
    command.export("parquet", tmp_path, "", 0, "")
    read = pq.read_table(tmp_path / "records.parquet").to_pylist()
    assert [{**row, "tag": row["tag"].hex()} for row in read] == held(store)
    (session, *_) = pq.read_table(tmp_path / "sessions.parquet").to_pylist()
    assert session["serial"] == "UNIX-C4494050"
    assert session["reservoir_pl"] == 40_000_000_000


def test_one_pump_only(store: Store, tmp_path: Path):
    command.export("csv", tmp_path, "P-1", 0, "")
    with (tmp_path / "records.csv").open(newline="") as file:
        assert {row["serial"] for row in csv.DictReader(file)} == {"P-1"}
    with pytest.raises(ThecalError, match="knows no pump"):
        command.export("csv", tmp_path, "P-2", 0, "")


@pytest.fixture
def fhir(store: Store, tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    """The resources of the export by type; every one read back by fhir.resources."""
    done = command.export("fhir", tmp_path, "UNIX-C4494050", 60, "Patient/17")
    assert done["format"] == "fhir 4.3.0 (R4B)"
    document = json.loads((tmp_path / "UNIX-C4494050.fhir.json").read_text(), parse_float=Decimal)
    Bundle.model_validate_json((tmp_path / "UNIX-C4494050.fhir.json").read_text())
    found: dict[str, list[dict[str, Any]]] = {}
    ids: set[str] = set()
    for entry in document["entry"]:
        one = entry["resource"]
        get_fhir_model_class(one["resourceType"]).model_validate_json(json.dumps(one, default=str))
        assert entry["fullUrl"] == f"urn:uuid:{one['id']}"
        assert one["id"] not in ids
        ids.add(one["id"])
        found.setdefault(one["resourceType"], []).append(one)
    for one in found["Observation"]:
        assert one["device"]["reference"].removeprefix("urn:uuid:") in ids
    return found


def test_fhir_device(fhir: dict[str, list[dict[str, Any]]]):
    (device,) = fhir["Device"]
    assert device["serialNumber"] == "UNIX-C4494050"
    assert "not a medical device" in device["type"]["text"]
    assert len(fhir["DeviceMetric"]) == 4


def test_fhir_boluses(fhir: dict[str, list[dict[str, Any]]]):
    """0.2 mg whole over 10 min; of 0.3 mg over 30 min the half, cut short by the stop."""
    whole, cut = fhir["MedicationAdministration"]
    assert (whole["status"], cut["status"]) == ("completed", "stopped")
    assert whole["dosage"]["dose"] == {
        "value": 200,
        "unit": "ug",
        "system": "http://unitsofmeasure.org",
        "code": "ug",
    }
    assert cut["dosage"]["dose"]["value"] == 150
    assert whole["medicationCodeableConcept"]["text"] == "morphine"
    assert whole["subject"] == {"reference": "Patient/17"}
    assert whole["dosage"]["text"] == "clinician bolus"
    assert whole["effectivePeriod"] == {
        "start": "2000-01-01T01:00:00+01:00",
        "end": "2000-01-01T01:10:00+01:00",
    }


def test_fhir_observations(fhir: dict[str, list[dict[str, Any]]]):
    by_code: dict[str, list[dict[str, Any]]] = {}
    for one in fhir["Observation"]:
        by_code.setdefault(one["code"]["coding"][0]["code"], []).append(one)
    assert [one["valueQuantity"]["value"] for one in by_code["reservoir"]] == [40, 40]
    assert by_code["delivered"][-1]["valueQuantity"]["value"] == 575  # 2.25 h of 0.1 mg/h, 0.2 and 0.15 mg
    (residual,) = by_code["residual"]
    assert residual["valueQuantity"]["value"] == Decimal("39.5")
    counted = residual["component"][1]["valueQuantity"]["value"]
    assert counted == 40 - (Decimal("2.25") * 5 + 10 + Decimal("7.5")) / 1000


def test_an_export_repeats_itself(store: Store, tmp_path: Path):
    for form in command.FORMATS:
        twice = [command.export(form, tmp_path / str(n), "UNIX-C4494050", 0, "") for n in (1, 2)]
        digests = [[one["sha256"] for one in done["files"]] for done in twice]
        assert digests[0] == digests[1]
        for one in twice[0]["files"]:
            assert hashlib.sha256(Path(one["path"]).read_bytes()).hexdigest() == one["sha256"]


def test_a_pump_without_program_or_reference_time(store: Store, tmp_path: Path):
    """Made-up records: the concentration is not known, so the volume is told, and so is that."""
    command.export("fhir", tmp_path, "P-1", 0, "")
    document = json.loads((tmp_path / "P-1.fhir.json").read_text())
    given = [one["resource"] for one in document["entry"] if "medicationCodeableConcept" in one["resource"]]
    assert {one["dosage"]["dose"]["unit"] for one in given} <= {"mL"}
    assert {one["subject"]["display"] for one in given} <= {"not recorded: thecal knows no patient"}


@pytest.mark.parametrize("form", command.FORMATS)
def test_nowhere_to_write(store: Store, tmp_path: Path, form: str):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ThecalError, match=r"cannot be written: .*make room or name another place"):
        command.export(form, tmp_path / "file", "UNIX-C4494050", 0, "")


@pytest.mark.parametrize(
    "arguments",
    [["--format", "xml"], ["--utc-offset", "1"], ["--utc-offset", "+25:00"], ["--nothing"]],
)
def test_wrong_usage(arguments: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert cli.run(["store", "export", str(tmp_path), *arguments]) == 2
    assert capfd.readouterr().err.count("\n") == 1
