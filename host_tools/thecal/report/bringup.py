"""What the bring-up of a board found, as one JSON document: `thecal bringup` writes, the report shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from thecal._io import atomic_write, input_file
from thecal.errors import FileError
from thecal.report.blocks import Block, Facts, Table, Text

SCHEMA = 1
KIND = "thecal-bringup"
Outcome = Literal["good", "wrong", "not_fitted", "unknown"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_MOST_BYTES = 100_000
_MOST_FINDINGS = 100
_HINT = "give what `thecal bringup` wrote"


@dataclass(frozen=True)
class Finding:
    """Of one part of a board. `measured`: numbers that say how it was found, by what they are."""

    part: str
    outcome: Outcome
    words: str
    measured: Mapping[str, int | float | None]


@dataclass(frozen=True)
class BringUp:
    """One walk through a board. `made`: this computer's local time. `chip`: the end of the chip's own number;
    `machine`, `micropython`: what it says it is and runs; `thecal`: the version that asked."""

    made: str
    thecal: str
    machine: str
    micropython: str
    chip: str
    findings: Sequence[Finding]

    @property
    def wrong(self) -> list[Finding]:
        """What is to be mended."""
        return [finding for finding in self.findings if finding.outcome == "wrong"]

    @property
    def serial(self) -> str:
        """Of the pump that this board becomes, unless it is given another."""
        return f"RP-{self.chip}"

    def headline(self) -> str:
        """How it went, in a sentence."""
        names = ", ".join(finding.part for finding in self.wrong)
        unknown = sum(finding.outcome == "unknown" for finding in self.findings)
        text = f"wrong: {names}" if names else "nothing is wrong with what was looked at"
        return f"{text}; {unknown} not known" if unknown else text


def blocks(found: BringUp | None, pump: str | None) -> Iterator[Block]:
    """Of the report; none where nobody brought the board up. `pump`: the serial number that it has now."""
    if found is None:
        return
    if pump and pump != found.serial:
        text = f"This bring-up was of {found.serial}: of this pump only if it was given another number."
        yield Text(text, "warning")
    text = f"Bring-up {found.made.replace('T', ' ')}: {found.headline()}."
    yield Text(text, "bad" if found.wrong else "good")
    runs = [("MicroPython", found.micropython), ("asked by", f"thecal {found.thecal}")]
    yield Facts([("board", found.machine), *runs])
    rows = [(one.part, one.outcome.replace("_", " "), one.words) for one in found.findings]
    yield Table(("part", "found", "which means"), rows)


def as_document(found: BringUp) -> dict[str, object]:
    """The JSON document."""
    return {"kind": KIND, "schema": SCHEMA, "good": not found.wrong, **asdict(found)}


def save(found: BringUp, path: Path) -> None:
    """Write the document: whole or not at all."""
    atomic_write.write(path, json.dumps(as_document(found), ensure_ascii=False, indent=1) + "\n")


def of_file(path: Path) -> BringUp:
    """Read one. FileError."""
    document = input_file.read_bytes(path, _MOST_BYTES)
    try:
        return of_document(input_file.json_of(document.decode("utf-8-sig")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise FileError(f"{path} is no record of a bring-up: {' '.join(why.split())[:120]}", _HINT) from None


def of_document(document: Any) -> BringUp:
    """From its JSON. ValueError, KeyError or TypeError: it is none."""
    if not isinstance(document, dict) or document.get("kind") != KIND:  # pyright: ignore[reportUnknownMemberType]
        raise ValueError("it is another kind of file")
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']} is not known")
    found = cast("list[Any]", document["findings"])
    if not isinstance(found, list) or len(found) > _MOST_FINDINGS:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError("its findings are no list of a board's parts")
    return BringUp(
        made=_text(document["made"], "made"),
        thecal=_text(document["thecal"], "thecal"),
        machine=_text(document["machine"], "machine"),
        micropython=_text(document["micropython"], "micropython"),
        chip=_text(document["chip"], "chip"),
        findings=[_finding(one) for one in found],
    )


def _finding(one: Any) -> Finding:
    outcome, measured = one["outcome"], one["measured"]
    if outcome not in OUTCOMES:
        raise ValueError(f"no finding is {outcome!r}")
    for name, value in measured.items():
        if not (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
            raise ValueError(f"{name} is no number")
    return Finding(_text(one["part"], "part"), outcome, _text(one["words"], "words"), measured)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 1000:
        raise ValueError(f"{name} is no text")
    return value
