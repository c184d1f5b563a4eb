"""The store as HL7 FHIR R4B (4.3.0; these resources read the same in R4, 4.0.1): one Bundle (collection)
per pump.

    Device                     the pump
    DeviceMetric               what is told of it: reservoir, delivered dose, refill residual
    Observation                the reservoir and the delivered doses at each session; refill residuals
    MedicationAdministration   every bolus of the log that was given, per drug: dose, time; one
                               that was refused: "not-done", with the reason
    AuditEvent                 what a program changed, old and new, and why; what a person confirmed:
                               who and when

Built and validated with `fhir.resources`. thecal knows no patient: the subject is what the caller names,
else a logical reference that says so. Times are the pump's local time; its offset from UTC is the caller's
to say. Doses of a bolus follow from its volume by the concentrations of the program that ran. Codes: LOINC
has none for an implanted pump's reservoir, so concepts bear text and a code system of our own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

from thecal._io import atomic_write, extras, private
from thecal.eventlog.local_times import REFERENCE, LocalTimes
from thecal.history import happenings
from thecal.history.database import Store
from thecal.history.export import in_words
from thecal.history.queries import one_pump, rows
from thecal.history.schema import programs, records, residuals, sessions
from thecal.units.amounts import exact_decimal
from thecal_protocol.bolus_kinds import BOLUS_KINDS, NO_DOSE

VERSION = "4.3.0"
SYSTEM = "urn:thecal"  # our own codes and identifiers
_UCUM = "http://unitsofmeasure.org"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, SYSTEM)
_PL_PER_ML = 1_000_000_000
_GIVEN = ("bolus_delivered", "bolus_cut_short")
_METRICS = (
    ("reservoir", "Volume left in the reservoir, by counted steps", "mL"),
    ("delivered", "Dose delivered since the pump began to count, by counted steps", "ug"),
    ("residual", "Volume withdrawn at a refill", "mL"),
    ("missed", "Volume counted since the first program and not seen to move", "mL"),
)
_LONGEST = 500  # letters of one text
_BOLUSES = frozenset(name.replace("_", " ") for _, name in BOLUS_KINDS)
_MEASURED = ("residual",)


def bundle(store: Store, serial: str, zone: timezone, subject: str = "") -> dict[str, Any]:
    """The Bundle of one pump, as plain data in FHIR's JSON form."""
    pump = one_pump(store, serial)
    made = _Resources(pump, zone, subject)
    made.device()
    for row in rows(store, sessions, pump["id"]):
        made.session(row)
    for row in rows(store, residuals, pump["id"]):
        made.residual(row)
    for group in _commits(happenings.changes(store, pump["id"])):
        made.changed(group)
    for row in happenings.requests(store, pump["id"]):
        made.refused(row)
    for row in happenings.confirmations(store, pump["id"]):
        made.confirmed(row)
    held = sorted(rows(store, programs, pump["id"]), key=lambda row: row["at_us"])
    for _, log in _logs(rows(store, records, pump["id"])):
        made.boluses(log, held)
    return made.bundle()


def write(store: Store, path: Path, serial: str, zone: timezone, subject: str = "") -> Path:
    """`bundle` as a JSON file, put there when it is whole."""
    text = json.dumps(bundle(store, serial, zone, subject), ensure_ascii=False, indent=1)
    with in_words(path):
        private.folder(path.parent)
        with atomic_write.whole(path) as draft:
            draft.write_text(text + "\n", encoding="utf-8")
    return path


def _commits(changes: Iterator[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The changes of each program."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in changes:
        found.setdefault((row["log"], row["at_us"]), []).append(row)
    return list(found.values())


def _logs(found: Iterator[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Only what is needed of each log: references and boluses."""
    logs: dict[int, list[dict[str, Any]]] = {}
    for record in found:
        if record["kind"] in ("reference_time", "bolus_started", *_GIVEN):
            logs.setdefault(record["log"], []).append(record)
    return sorted(logs.items())


class _Resources:
    """The resources of one pump as they come. Their ids follow from what they are: an export repeats
    itself.
    """

    def __init__(self, pump: dict[str, Any], zone: timezone, subject: str) -> None:
        self._pump = pump
        self._zone = zone
        self._subject = (
            {"reference": subject} if subject else {"display": "not recorded: thecal knows no patient"}
        )
        self._made: list[Any] = []
        self._device = self._id("device")

    def bundle(self) -> dict[str, Any]:
        entries = [{"fullUrl": f"urn:uuid:{one.id}", "resource": one} for one in self._made]
        made = _model("bundle", "Bundle")(type="collection", entry=entries)
        return json.loads(made.model_dump_json())

    def device(self) -> None:
        pump = self._pump
        self._add(
            "device",
            "Device",
            id=self._device,
            identifier=[{"system": f"{SYSTEM}:serial", "value": pump["serial"]}],
            status="active",
            serialNumber=pump["serial"],
            modelNumber=pump["model"] or None,
            version=[{"value": pump["firmware"]}] if pump["firmware"] else None,
            deviceName=[{"name": f"thecal {pump['model']}".strip(), "type": "model-name"}],
            type={"text": "Intrathecal infusion pump (research; not a medical device)"},
        )
        for name, words, unit in _METRICS:
            self._add(
                "devicemetric",
                "DeviceMetric",
                id=self._id("metric", name),
                type=_concept(name, words),
                unit={"coding": [{"system": _UCUM, "code": unit}]},
                source=self._reference(self._device),
                category="measurement" if name in _MEASURED else "calculation",
            )

    def session(self, row: dict[str, Any]) -> None:
        at = self._local(datetime.fromisoformat(row["local_time"]))
        volume = _quantity(Fraction(row["reservoir_pl"], _PL_PER_ML), "mL")
        self._observation("reservoir", "", at, volume, row["id"])
        if row["missed_pl"] is not None:
            missed = _quantity(Fraction(row["missed_pl"], _PL_PER_ML), "mL")
            self._observation("missed", "", at, missed, row["id"])
        for drug, ng in row["delivered_ng"].items():
            self._observation("delivered", drug, at, _quantity(Fraction(ng) / 1000, "ug"), row["id"])

    def residual(self, row: dict[str, Any]) -> None:
        at = self._local(datetime.fromisoformat(row["local_time"]))
        parts = [
            {"code": _concept(name, words), "valueQuantity": _quantity(Fraction(row[key], _PL_PER_ML), "mL")}
            for name, words, key in (
                ("filled", "Volume filled in", "volume_pl"),
                ("counted", "Volume left, by counted steps", "counted_pl"),
            )
        ]
        volume = _quantity(Fraction(row["residual_pl"], _PL_PER_ML), "mL")
        self._observation("residual", "", at, volume, f"refill {row['at_us']}", component=parts)

    def changed(self, rows_of: list[dict[str, Any]]) -> None:
        """What one program changed. Without a local time, nobody could say when: it stays in the log."""
        details = [
            {"type": row["words"], "valueString": f"{row['old']} -> {row['new']}"[:_LONGEST]}
            for row in rows_of
        ]
        first = rows_of[0]
        self._audit("program", first, "The program was changed", details, first["reason"])

    def confirmed(self, row: dict[str, Any]) -> None:
        """What a person took upon himself."""
        what = f"{row['confirmed']} {row['what']}".strip()
        times = {"type": "times", "valueString": str(row["times"])}
        self._audit("confirmation", row, f"Confirmed: {what}", [times], None)

    def refused(self, row: dict[str, Any]) -> None:
        """A bolus that was asked for and not given; what the log counted together is one."""
        if row["outcome"] != "refused" or row["request"] not in _BOLUSES or row["local_time"] is None:
            return
        times = f", asked for {row['times']} times from then on" if row["times"] > 1 else ""
        self._add(
            "medicationadministration",
            "MedicationAdministration",
            id=self._id("refused", row["log"], row["sequence"]),
            status="not-done",
            statusReason=[{"text": row["refused_for"]}],
            medicationCodeableConcept={"text": "the pump's filling"},
            subject=self._subject,
            device=[self._reference(self._device)],
            performer=[{"actor": {"display": row["actor"]}}],
            effectiveDateTime=self._local(datetime.fromisoformat(row["local_time"])),
            note=[{"text": f"{row['request']} refused: {row['refused_for']}{times}"}],
        )

    def _audit(
        self, kind: str, row: dict[str, Any], words: str, details: list[dict[str, str]], why: str | None
    ) -> None:
        if row["local_time"] is None:
            return
        self._add(
            "auditevent",
            "AuditEvent",
            id=self._id(kind, row["log"], row["sequence"]),
            type={"system": SYSTEM, "code": kind, "display": words[:_LONGEST]},
            action="U" if kind == "program" else "E",
            recorded=self._local(datetime.fromisoformat(row["local_time"])),
            outcome="0",
            outcomeDesc=words,
            purposeOfEvent=[{"text": why}] if why else None,
            agent=[{"who": {"display": row["actor"]}, "requestor": True}],
            source={"observer": self._reference(self._device)},
            entity=[{"what": self._reference(self._device), "detail": details}],
        )

    def boluses(self, log: list[dict[str, Any]], held: list[dict[str, Any]]) -> None:
        """Every bolus that ended, with its beginning where the log still has that."""
        found = (one for one in log if one["kind"] == REFERENCE)
        times = LocalTimes((one["at_us"], one["code"], one["ref"], one["a"], one["b"]) for one in found)
        started: dict[tuple[int, int], dict[str, Any]] = {}
        for record in log:
            key = (record["code"], record["ref"])
            if record["kind"] == "bolus_started":
                started[key] = record
            elif record["kind"] in _GIVEN and record["code"] not in NO_DOSE:
                program = next((one for one in reversed(held) if one["at_us"] <= record["at_us"]), None)
                self._bolus(record, started.pop(key, None), program, times)

    def _bolus(
        self,
        record: dict[str, Any],
        start: dict[str, Any] | None,
        program: dict[str, Any] | None,
        times: LocalTimes,
    ) -> None:
        drugs: list[dict[str, Any]] = program["therapy"]["drugs"] if program else [{}]
        for drug in drugs:
            given = Fraction(record["a"], _PL_PER_ML)
            quantity = _quantity(given, "mL")
            if drug:
                quantity = _quantity(given * drug["concentration_ng_per_ml"] / 1000, "ug")
            kind = dict(BOLUS_KINDS).get(record["code"], f"number {record['code']}").replace("_", " ")
            name = drug.get("name", "not known: the program is not in the store")
            cut = record["kind"] == "bolus_cut_short"
            self._add(
                "medicationadministration",
                "MedicationAdministration",
                id=self._id("bolus", record["log"], record["sequence"], name),
                status="stopped" if cut else "completed",
                statusReason=[{"text": "ended before its dose was given"}] if cut else None,
                medicationCodeableConcept={"text": name},
                subject=self._subject,
                device=[self._reference(self._device)],
                dosage={
                    "text": kind,
                    "route": {"text": "intrathecal"},
                    "dose": quantity,
                },
                **self._effective(start, record, times),
            )

    def _effective(
        self, start: dict[str, Any] | None, end: dict[str, Any], times: LocalTimes
    ) -> dict[str, Any]:
        local = times.at(end["at_us"])
        if local is None:  # a log without a reference time
            absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
            return {"effectivePeriod": {"extension": [{"url": absent, "valueCode": "unknown"}]}}
        until = self._local(local)
        began = times.at(start["at_us"]) if start else None
        if began is None:
            return {"effectiveDateTime": until}
        return {"effectivePeriod": {"start": self._local(began), "end": until}}

    def _observation(
        self, metric: str, drug: str, at: str, quantity: dict[str, Any], key: str, **more: Any
    ) -> None:
        words = next(text for name, text, _ in _METRICS if name == metric)
        self._add(
            "observation",
            "Observation",
            id=self._id("observation", metric, drug, key),
            status="final",
            code=_concept(metric, f"{words}: {drug}" if drug else words),
            subject=self._subject,
            device=self._reference(self._id("metric", metric)),
            effectiveDateTime=at,
            valueQuantity=quantity,
            **more,
        )

    def _add(self, module: str, name: str, **values: Any) -> None:
        self._made.append(
            _model(module, name)(**{key: one for key, one in values.items() if one is not None})
        )

    def _id(self, *parts: object) -> str:
        return str(uuid.uuid5(_NAMESPACE, "/".join([self._pump["serial"], *map(str, parts)])))

    def _reference(self, number: str) -> dict[str, str]:
        return {"reference": f"urn:uuid:{number}"}

    def _local(self, local: datetime) -> str:
        return local.replace(tzinfo=self._zone).isoformat()


def _model(module: str, name: str) -> Any:
    return getattr(extras.load(f"fhir.resources.R4B.{module}", extras.EXCHANGE, "FHIR"), name)


def _concept(code: str, words: str) -> dict[str, Any]:
    return {"coding": [{"system": SYSTEM, "code": code, "display": words.split(":")[0]}], "text": words}


def _quantity(amount: Fraction, unit: str) -> dict[str, Any]:
    """Exactly, as FHIR's decimals are: every amount here has a finite decimal."""
    from decimal import Decimal

    written = exact_decimal(amount)
    if written is None:
        raise ValueError(f"{amount} {unit} has no finite decimal")
    return {"value": Decimal(written), "unit": unit, "system": _UCUM, "code": unit}
