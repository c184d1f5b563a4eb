"""`thecal report`: from a pump, a file or a simulation to HTML, PDF and a record to keep."""

from __future__ import annotations

import contextlib
import gc
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from thecal._io import atomic_write
from thecal._io.shown import shown
from thecal.errors import ThecalError
from thecal.eventlog import log_keys, text
from thecal.link.client import Client
from thecal.report import chain
from thecal.report import record as records
from thecal.report.flow_file import MeasuredFlow
from thecal.report.period import Window
from thecal.report.record import Flow, Record
from thecal.report.summary import build
from thecal.report.trumpet import AMBULATORY_EVERY_US
from thecal.report.whole import Report


@dataclass(frozen=True)
class Wanted:
    """Where the report goes; None: not that form."""

    html: Path | None = None
    pdf: Path | None = None
    save: Path | None = None


def ending(path: Path, *known: str) -> str:
    """How a file's name ends, which decides on its form. ThecalError: no form that is written there."""
    found = path.suffix.lower()
    if found not in known:
        raise ThecalError(
            f'"{path}" does not end in {" or ".join(known)}', "its ending says which form it has"
        )
    return found


def wanted(out: Path, pdf: Path | None = None, save: Path | None = None) -> Wanted:
    """By the endings of their names. ThecalError: one has another, or two are the same form."""
    as_pdf = ending(out, ".html", ".pdf") == ".pdf"
    if pdf is not None:
        ending(pdf, ".pdf")
        if as_pdf:
            raise ThecalError(f"{out} and {pdf} would be the same PDF", "name one of them")
    if save is not None:
        ending(save, ".json")
    return Wanted(None if as_pdf else out, out if as_pdf else pdf, save)


@contextlib.contextmanager
def no_collector() -> Generator[None]:
    """Without the garbage collector: it would look at a hundred thousand records again and again, and a
    report leaves no cycles worth it. A quarter of the time of a long one."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def from_pump(client: Client, port: str) -> tuple[Record, bytes | None]:
    """The pump's record, and the key of its log where it is known."""
    record = records.of_pump(client, f"the pump on {port}")
    key = log_keys.learn(client, record.serial) if record.serial else None
    return record, key or _stored(record.serial)


def from_file(path: Path, serial: str) -> tuple[Record, bytes | None]:
    """A record or a log, and the key of its log; `serial`: whose log it is, if the file does not say."""
    with no_collector():
        record = records.of_file(path)
    if serial and record.serial and serial != record.serial:
        raise ThecalError(
            f"{path} is of the pump {record.serial}, not of {serial}", "leave out --serial, or name that file"
        )
    record.serial = record.serial or serial or None
    return record, _stored(record.serial)


def _stored(serial: str | None) -> bytes | None:
    return log_keys.stored(serial) if serial else None


def from_simulation(
    therapy: Path, duration_us: int, events: Path | None, start: datetime, seed: int | None
) -> tuple[Record, bytes | None]:
    """Simulate a therapy; its record has the flow by every motor step."""
    from thecal.simulation.pump import SimulatedPump
    from thecal.simulation.scenario.load import load_events
    from thecal.simulation.simulate import Plan, Watch, simulate
    from thecal.therapy.load import load_therapy

    keys: list[bytes] = []
    found: list[Record] = []

    def finish(pump: SimulatedPump) -> None:
        if pump.off:
            raise ThecalError(
                "the pump is without power at the end: there is nothing to ask", "end the power cut"
            )
        found.append(records.of_pump(pump.client, f"a simulation of {therapy}"))

    def begin(pump: SimulatedPump) -> None:
        keys.append(pump.client.log_key())

    with tempfile.TemporaryDirectory(prefix="thecal-report-") as folder:
        plan = Plan(
            therapy=load_therapy(therapy),
            duration_us=duration_us,
            events=load_events(events) if events else (),
            start=start,
            seed=seed,
            trace=Path(folder) / "trace",
        )
        simulate(plan, Watch(begin=begin, finish=finish))
        [record] = found
        record.flow = _flow_of(
            record, Path(folder) / "trace", duration_us, plan.therapy.model.pump.step_volume_pl
        )
    return record, keys[0]


def _flow_of(record: Record, trace: Path, duration_us: int, step_volume_pl: int) -> Flow | None:
    commits = [event.at.total_us for event in record.events if event.kind == "program_committed"]
    if not commits:
        return None  # the log has let go of it
    import numpy as np

    steps_us = np.fromfile(trace, dtype="<u8").astype(np.int64)
    times = np.arange(0, duration_us + 1, AMBULATORY_EVERY_US)
    volumes = np.searchsorted(steps_us, times, "right") * step_volume_pl
    how = "Counted are the steps that the simulated motor physically made"
    return Flow(commits[0], AMBULATORY_EVERY_US, [int(volume) for volume in volumes], how)


def without_a_pump(measured: MeasuredFlow | None, bringup: Path | None) -> Record:
    """No pump at all: a flow alone, or what was found of a board."""
    return Record(source=measured.source if measured else shown(str(bringup)), events=[])


def write(
    record: Record,
    key: bytes | None,
    wanted: Wanted,
    made: datetime,
    measured: MeasuredFlow | None = None,
    window: Window | None = None,
) -> Report:
    """Build the report and write every form that is wanted: each whole or not at all."""
    with no_collector():
        report = build(record, key, made, measured, window)
        if wanted.html is not None:
            from thecal.report.html import html

            atomic_write.write(wanted.html, html(report))
        if wanted.pdf is not None:
            from thecal.report.pdf import pdf

            atomic_write.write(wanted.pdf, pdf(report, made))
    if wanted.save is not None:
        record.seal = chain.seal_of(record, key)
        records.save(record, wanted.save)
    return report


def words(report: Report, wanted: Wanted) -> list[str]:
    """What was written, and whether the log is to be trusted."""
    paths = [str(path) for path in vars(wanted).values() if path]
    found = report.chain
    lines = [*paths, f"log: {found.standing}, {found.words}"]
    if found.flaws:
        number, what = found.flaws[0]
        more = f" ({len(found.flaws) - 1} more in the report)" if len(found.flaws) > 1 else ""
        lines.append(f"log: NOT as the pump wrote it, first at record {number}: {what}{more}")
    return lines


def as_json(report: Report, wanted: Wanted) -> dict[str, object]:
    """The document of `thecal report --json`."""
    paths = {name: str(path) if path else None for name, path in vars(wanted).items()}
    curve = report.trumpet
    return {
        "schema": 1,
        **paths,
        "serial": report.record.serial,
        "records": len(report.record.events),
        "log_digest": report.chain.digest,
        "chain": report.chain.standing,
        "chain_words": report.chain.words,
        "checked": text.verdict_as_json(report.chain.verdict) if report.chain.verdict else None,
        "flaws": [{"sequence": number, "what": what} for number, what in report.chain.flaws],
        "trumpet": None
        if curve is None
        else {
            "mean_error_percent": float(curve.mean_error),
            "windows": [
                {"minutes": float(w.minutes), "highest": float(w.highest), "lowest": float(w.lowest)}
                for w in curve.windows
            ],
        },
    }
