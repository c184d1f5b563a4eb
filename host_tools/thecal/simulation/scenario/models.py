"""The models of an events file, one per kind of event. Format: docs/reference/therapy-files.md, Events.

An event either does something that a person at the tools could do (`do`) or injects a fault or a condition
of the bench (`inject`: the models in `faults`). Times are whole microseconds after time zero.
`thecal.simulation.scenario.load` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo

from thecal.emulator.event_fields import EXAMPLES, BaseEvent, one_of
from thecal.emulator.injections import Injection
from thecal.errors import TherapyError
from thecal.therapy import limits
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.fields import amount, wrong
from thecal.therapy.load import load_therapy
from thecal.units import quantities
from thecal_protocol.bolus_kinds import WORDS
from thecal_protocol.messages import CHANGES, KIND, MESSAGES

MEASURED = "measured"
# Commands that are an event by their row of the protocol alone; name -> opcode.
PLAIN = {row[1]: row[0] for row in MESSAGES if row[4] & KIND == CHANGES and not row[5]}


def _read_offset(value: object) -> int:
    try:
        return quantities.parse_whole(value, quantities.DURATION, negative=True)
    except quantities.QuantityError as error:
        raise wrong(str(error)) from error


def _read_program(value: object, info: ValidationInfo) -> CheckedTherapy:
    """The therapy in the file named, relative to the folder in the validation's context."""
    if not isinstance(value, str) or not value:
        raise wrong(f"{value} is not the name of a therapy file; write for example: {EXAMPLES['file']}")
    context: dict[str, Path] = info.context or {}
    try:
        return load_therapy(context.get("folder", Path()) / value)
    except TherapyError as error:
        where = "" if error.problems[0][0] == "" else f"{value}: "
        raise wrong(f"{where}{error}") from error


def _read_residual(value: object) -> int | None:
    """A volume, or "measured": what the bench finds in the reservoir."""
    if value == MEASURED:
        return None
    try:
        residual_pl = quantities.parse_whole(value, quantities.VOLUME, zero=True)
    except quantities.QuantityError as error:
        raise wrong(f'{error}, or "{MEASURED}"') from error
    complaint = limits.FILL.complaint(residual_pl)
    if complaint is not None:
        raise wrong(complaint)
    return residual_pl


_BolusDose = Annotated[int, amount(quantities.MASS, limits.BOLUS_DOSE)]
_BolusDuration = Annotated[int, amount(quantities.DURATION, limits.BOLUS_DURATION)]
_Volume = Annotated[int, amount(quantities.VOLUME, limits.FILL)]


class PatientBolusEvent(BaseEvent):
    """The patient asks for the bolus."""

    what: Literal["patient_bolus"] = Field(alias="do")


class ClinicianBolusEvent(BaseEvent):
    """A bolus by the clinician; `extended`: one that a patient's bolus suspends."""

    what: Literal["clinician_bolus"] = Field(alias="do")
    dose_ng: _BolusDose = Field(alias="dose")
    duration_us: _BolusDuration = Field(alias="duration")
    extended: bool = False

    @property
    def words(self) -> dict[str, bool]:
        """Those of its proposal, `thecal_protocol.bolus_kinds.WORDS`."""
        return {word: getattr(self, word) for word in WORDS}


class StopEvent(BaseEvent):
    """Delivery is stopped; after so long it resumes by itself (left out, or 0: it does not)."""

    what: Literal["stop"] = Field(alias="do")
    resume_after_s: Annotated[int, amount(quantities.SECONDS, limits.MAX_PAUSE)] = Field(
        default=0, alias="for"
    )


class ProgramEvent(BaseEvent):
    """Another therapy is committed. It has been read and checked."""

    what: Literal["program"] = Field(alias="do")
    therapy: Annotated[CheckedTherapy, PlainValidator(_read_program)] = Field(alias="file")


class RefillEvent(BaseEvent):
    """The reservoir is emptied (the residual came out; "measured", here None: what is really in it) and
    filled. The therapy of a file takes effect with it."""

    what: Literal["refill"] = Field(alias="do")
    volume_pl: _Volume = Field(alias="volume")
    residual_pl: Annotated[int | None, BeforeValidator(_read_residual)] = Field(alias="residual")
    therapy: Annotated[CheckedTherapy | None, PlainValidator(_read_program)] = Field(
        default=None, alias="file"
    )


class SetClockEvent(BaseEvent):
    """Local time moves by so much, either way."""

    what: Literal["set_clock"] = Field(alias="do")
    offset_us: Annotated[int, BeforeValidator(_read_offset)] = Field(alias="offset")


class PrimeEvent(BaseEvent):
    """The catheter is primed; `dry`: the tubing, too, of a pump that was never primed."""

    what: Literal["prime"] = Field(alias="do")
    dry: bool = False


class PlainEvent(BaseEvent):
    """A command that changes therapy and takes nothing else: whichever the protocol has."""

    what: Annotated[str, one_of("do", tuple(PLAIN))] = Field(alias="do")


Event = (
    PatientBolusEvent
    | ClinicianBolusEvent
    | StopEvent
    | ProgramEvent
    | RefillEvent
    | SetClockEvent
    | PrimeEvent
    | PlainEvent
    | Injection
)
DO: dict[str, type[Event]] = {
    "patient_bolus": PatientBolusEvent,
    "clinician_bolus": ClinicianBolusEvent,
    "stop": StopEvent,
    "program": ProgramEvent,
    "refill": RefillEvent,
    "set_clock": SetClockEvent,
    "prime": PrimeEvent,
    **dict.fromkeys(PLAIN, PlainEvent),
}
