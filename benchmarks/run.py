#!/usr/bin/env python3
"""`make bench`: measures the emulated pump, writes build/bench.json (docs/reference/benchmarks.md).

Every figure is taken from the real firmware on MicroPython's unix port, over its serial line and its bench,
except where its note says otherwise. Speeds depend on the computer, so each is the best of a few tries: other
work on the machine only ever makes them worse. `--quick` measures shorter, for a look.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import monitor_cpu
import month
import on_chip
import records
import sessions
import web_page
from store_import import SERIAL, write_log
from workloads import DAY_US, FILL_PL, constant, mixed

from thecal._io import paths
from thecal.emulator.emulator import Emulator
from thecal.firmware_build import chip, compiled
from thecal.history import log_files
from thecal.history.database import Store
from thecal.link import keyring
from thecal.link.client import Client
from thecal_protocol.roles import CLINICIAN

ROOT = Path(__file__).resolve().parents[1]
PLAN_RUN = Path(__file__).with_name("plan_run.py")
THECAL = Path(sys.executable).parent / "thecal"
RESULT = ROOT / "build" / "bench.json"


class Figure(NamedTuple):
    """One line of the table and of bench.json."""

    name: str
    value: float
    unit: str
    better: str
    note: str
    target: str


def processor_s() -> float:
    """Of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best(tries: int, measure: Callable[[], float]) -> float:
    """The smallest of a few measurements of seconds."""
    return min(measure() for _ in range(tries))


def programmed(pump: Emulator, client: Client, therapy: dict[str, Any]) -> None:
    """The therapy runs; this instant is the mark."""
    client.commit(client.propose_program(therapy).digest)
    pump.bench.mark()


def timed_days(therapy: dict[str, Any], days: int, trace: Path | None = None) -> float:
    """Wall seconds for so many days."""
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        programmed(pump, client, therapy)
        pump.bench.trace(trace)
        began = time.perf_counter()
        pump.bench.advance_by(days * DAY_US)
        took = time.perf_counter() - began
        if trace is not None:
            pump.bench.trace(None)
    return took


def timed_year(days: int) -> float:
    """Wall seconds for so many days of flex, periodic and patient boluses; refilled every 60 days."""
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        programmed(pump, client, mixed())
        began = time.perf_counter()
        for quarter in range(4 * days):
            if quarter % 240 == 239:
                client.commit(client.propose_refill(FILL_PL, 0).digest)
            pump.bench.advance_by(DAY_US // 4)
            client.patient_bolus()
        return time.perf_counter() - began


def speeds(quick: bool) -> list[Figure]:
    """How much faster than life."""
    days, year, tries = (2, 30, 1) if quick else (7, 365, 3)
    plain = days * 86_400 / best(tries, lambda: timed_days(constant(1_000), days))
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        traced = days * 86_400 / best(tries, lambda: timed_days(constant(1_000), days, trace))
    mixture = year * 86_400 / best(1, lambda: timed_year(year))
    how = f"1 mL/day basal in 2.5 nL steps, {days} d, Bench.advance alone"
    of_year = f"flex, two periodic boluses, {4 * year} patient boluses over the link, 1 mL/day, {year} d"
    return [
        Figure("sim_ratio", plain, "x real time", "higher", how, ">= 100000"),
        Figure(
            "sim_ratio_trace", traced, "x real time", "higher", how + ", every step in a file", ">= 10000"
        ),
        Figure("sim_ratio_year", mixture, "x real time", "higher", of_year, ">= 300000"),
    ]


def steady() -> list[Figure]:
    """Wake-ups and memory of a day that passes by itself. Raises when the steady path allocates."""
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        programmed(pump, client, constant(1_000))
        pump.bench.advance_by(DAY_US, locked=True)
        before = pump.bench.truth()
        pump.bench.advance_by(DAY_US, locked=True)
        after = pump.bench.truth()
    wakes = 1000 * (after.waits - before.waits) / (after.steps - before.steps)
    grown = after.heap_live - before.heap_live
    how = "1 mL/day, a day with the heap locked (an allocation would end it), live heap after less before"
    return [
        Figure("wakeups_per_1000_steps", wakes, "", "lower", "1 mL/day, sleeps of the main loop", ""),
        Figure("heap_bytes_per_day", grown, "B", "lower", how, "0"),
    ]


def plan_run() -> Figure:
    """The planner alone, in MicroPython."""
    command = [*paths.micropython(), "-X", "heapsize=480K", str(PLAN_RUN)]
    path = compiled.text_of(paths.project_root()).micropython_path
    environment = {**os.environ, "MICROPYPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    how = "Planner.plan of a whole run of 56 steps at 1 mL/day, MicroPython's unix port, no board"
    return Figure("plan_run_us", float(done.stdout), "us", "lower", how, "")


def store_import(quick: bool) -> Figure:
    """Records of a log from a file into the store."""
    count = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        write_log(file, count)
        with Store.open(Path(folder) / "store.sqlite") as store:
            began = time.perf_counter()
            store.add_log(SERIAL, log_files.read(file))
            took = time.perf_counter() - began
    how = (
        f"{count} records, a file of `thecal log --jsonl` into an empty store, one transaction ({took:.1f} s)"
    )
    return Figure("store_import_records_per_s", count / took, "1/s", "higher", how, ">= 16667")


def report(quick: bool) -> list[Figure]:
    """`thecal report` of a month with 100,000 events: every tag checked, every plot drawn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serial = month.write_record(folder / "month.json", 100_000)
        (folder / f"{serial}.key").write_text(month.KEY.hex() + "\n")
        (folder / f"{serial}.key").chmod(0o600)
        command = [THECAL, "report", "--log", folder / "month.json", "--out", folder / "r.html"]
        environment = {**os.environ, "THECAL_KEYS": name}

        def once(*more: object) -> float:
            began = time.perf_counter()
            done = subprocess.run(
                [*map(str, (*command, *more))], check=True, capture_output=True, text=True, env=environment
            )
            if "log: part, by the pump's log key, records 1 to 100000" not in done.stdout:
                raise RuntimeError(done.stdout)
            return time.perf_counter() - began

        tries = 1 if quick else 5
        begin = processor_s()
        page = best(tries, once)
        between = processor_s()
        both = best(tries, lambda: once("--pdf", folder / "r.pdf"))
        used = [f" ({x / tries:.2f} s of processor time)" for x in (between - begin, processor_s() - between)]
    how = "`thecal report` of a record of 30 days with 100000 events, the chain checked, process start to end"
    return [
        Figure("report_wall_s", page, "s", "lower", how + ": HTML" + used[0], "< 5"),
        Figure("report_pdf_wall_s", both, "s", "lower", how + ": HTML and PDF" + used[1], "< 5"),
    ]


def key_for_commands(pump: Emulator, folder: str) -> dict[str, str]:
    """The environment of a command that is to talk to this pump: its key in a folder of its own."""
    os.environ["THECAL_KEYS"] = folder
    keyring.store(pump.serial_number, "clinician", pump.key(CLINICIAN) or b"")
    return {**os.environ, "THECAL_STORE": "off"}


def status_ms(quick: bool) -> Figure:
    """`thecal status` as a person meets it."""

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return 1000 * (time.perf_counter() - began)

    with tempfile.TemporaryDirectory() as keys, Emulator(seed=1) as pump:
        with Client.connect(pump.port) as client:
            programmed(pump, client, constant(120))
        environment = key_for_commands(pump, keys)
        before, tries = processor_s(), 5 if quick else 15
        command = [THECAL, "status", "--port", pump.port]
        took = best(tries, once)
        used = (processor_s() - before) / tries
    how = f"`thecal status`, keys proved, start to end, best of {tries} ({used:.3f} s of processor time)"
    return Figure("status_wall_ms", took, "ms", "lower", how, "< 300")


def monitor_percent(quick: bool) -> Figure:
    """`thecal monitor` on a terminal, one look a second."""
    with tempfile.TemporaryDirectory() as keys, Emulator(seed=1, clock="real") as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(constant(120)).digest)
        command = [str(THECAL), "monitor", "--port", pump.port]
        used = monitor_cpu.percent(command, key_for_commands(pump, keys), 5 if quick else 20)
    how = "`thecal monitor` on a pty of 80 x 24, one look a second, processor time of its process"
    return Figure("monitor_cpu_percent", used, "%", "lower", how, "< 5")


def of_the_page(quick: bool) -> list[Figure]:
    """`thecal web` in the system's Chromium; nothing without one."""
    if web_page.browser() is None:
        print("no browser: the page is not measured (THECAL_BROWSER, or chromium)", file=sys.stderr)
        return []
    therapy = paths.project_root() / "examples" / "morphine-constant.toml"
    found = web_page.measure(THECAL, therapy, 5 if quick else 20)
    cpu = f"server and pump at real speed, {found.updates_per_s:.1f} updates a second"
    keys = "from an input to after its frame, the median while a year passes as fast as it goes"
    return [
        Figure(
            "page_first_paint_ms", found.first_paint_ms, "ms", "lower", "in Chromium, best of 3", "<= 1000"
        ),
        Figure("page_cpu_percent", found.cpu_percent, "%", "lower", cpu, "<= 15"),
        Figure("page_input_ms", found.input_ms, "ms", "lower", keys, "<= 100"),
        Figure("page_year_s", found.year_s, "s", "lower", "that year, in real seconds", ""),
    ]


def firmware_bytes() -> Figure:
    """The firmware as the RP2040 would load it."""
    sizes = chip.size_table()
    how = "every .mpy file of a flashed board, its own code included (make size)"
    return Figure("firmware_mpy_bytes", sum(sizes.values()), "B", "lower", how, "<= 90000")


def of_records(quick: bool) -> list[Figure]:
    """Wear of the flash, download of the log."""
    how = "erases of all 352 blocks, constant therapy in 2.5 nL steps, ledger and log; a block takes 100,000"
    download = "a whole log of 30 days (4,080 records) over the pty, payload only"
    return [
        Figure("flash_erases_per_year", records.at_1_ml_per_day(quick), "", "lower", "1 mL/day: " + how, ""),
        Figure(
            "flash_erases_per_year_24_ml",
            records.at_24_ml_per_day(quick),
            "",
            "lower",
            "24 mL/day: " + how,
            "",
        ),
        Figure(
            "log_download_bytes_per_s", records.log_bytes_per_s(quick), "B/s", "higher", download, ">= 100000"
        ),
    ]


def starts(quick: bool) -> list[Figure]:
    """Commands that need no pump of ours, from process start to end."""
    therapy = str(paths.project_root() / "examples" / "morphine-constant.toml")
    lines = {
        "start_help_ms": (["--help"], "thecal --help"),
        "start_check_ms": (["check", therapy], "thecal check of the morphine example"),
        "start_simulate_1d_ms": (
            ["simulate", therapy, "--for", "1d", "--seed", "1"],
            "thecal simulate --for 1d: boot, pairing, program, a day, report",
        ),
    }

    def once(arguments: list[str]) -> float:
        began = time.perf_counter()
        subprocess.run([str(THECAL), *arguments], check=True, capture_output=True, timeout=100)
        return time.perf_counter() - began

    figures: list[Figure] = []
    for name, (arguments, how) in lines.items():
        once(arguments)  # what is compiled or cached once is, from here on
        took_s = best(3 if quick else 9, lambda arguments=arguments: once(arguments))
        figures.append(Figure(name, 1000 * took_s, "ms", "lower", how, ""))
    return figures


def table(figures: list[Figure]) -> str:
    """The figures for a person."""
    lines = [f"{'figure':<24} {'value':>13} {'unit':<12} {'target':<10} how"]
    for figure in figures:
        value = f"{figure.value:,.0f}" if abs(figure.value) >= 1000 else f"{figure.value:.4g}"
        lines.append(f"{figure.name:<24} {value:>13} {figure.unit:<12} {figure.target:<10} {figure.note}")
    return "\n".join(lines)


GROUPS: dict[str, Callable[[bool], list[Figure]]] = {
    "speed": speeds,
    "link": lambda quick: list(map(Figure._make, sessions.figures(quick))),
    "plan": lambda quick: [plan_run()],
    "steady": lambda quick: steady(),
    "records": of_records,
    "size": lambda quick: [firmware_bytes()],
    "commands": lambda quick: [status_ms(quick), *starts(quick)],
    "monitor": lambda quick: [monitor_percent(quick)],
    "page": of_the_page,
    "store": lambda quick: [store_import(quick)],
    "report": report,
    "chip": lambda quick: list(map(Figure._make, on_chip.rows(quick))),
}


def groups(text: str) -> list[str]:
    """The names in a list with commas. Raises argparse.ArgumentTypeError for one that is none."""
    names = text.split(",")
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"no group {name!r}; there are {', '.join(GROUPS)}")
    return names


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Measure the emulated pump.")
    parser.add_argument("--quick", action="store_true", help="shorter measurements, for a look")
    parser.add_argument("--only", type=groups, default=list(GROUPS), help="groups of figures, with commas")
    parser.add_argument("--out", type=Path, default=RESULT, help="the JSON file")
    asked = parser.parse_args()
    figures = [figure for name in asked.only for figure in GROUPS[name](asked.quick)]
    print(table(figures))
    asked.out.parent.mkdir(exist_ok=True)
    entries = [
        {"name": f.name, "value": f.value, "unit": f.unit, "better": f.better, "note": f.note}
        for f in figures
    ]
    asked.out.write_text(json.dumps({"figures": entries}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
