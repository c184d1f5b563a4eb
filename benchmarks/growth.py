#!/usr/bin/env python3
"""How cost grows: `make growth` measures, writes docs/reference/growth.json, and draws page and plot from it.

Processor time of the process that does the work, not wall time, so that other work on the computer changes
little; campaigns are about wall time. What needs an image of the chip keeps its old figures where there is
none. `--only steps,report` measures anew what it names; `--draw` measures nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import month
from growth_page import DATA, PAGE, Points, draw, page
from run import ROOT, THECAL, best, processor_s, programmed
from store_import import SERIAL, write_log
from workloads import DAY_US, HOUR_US, constant, mixed

from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.history import log_files
from thecal.history.database import Store
from thecal.link.client import Client

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def used_s(pump: Emulator) -> float:
    """Processor time of the pump's own process."""
    after_name = Path(f"/proc/{pump.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S


def ms_per_day(therapy: dict[str, Any], days: float, boluses: int = 0, records: int = 0) -> float:
    """Of processor time, over so many days with so many patient boluses each, after so many records: the best
    of two, as other work on the computer only makes it worse."""
    return best(2, lambda: ms_per_day_once(therapy, days, boluses, records))


def ms_per_day_once(therapy: dict[str, Any], days: float, boluses: int, records: int) -> float:
    """The same, measured once."""
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        programmed(pump, client, therapy)
        for _ in range(records):
            refused(client)
        began_s = used_s(pump)
        if boluses:
            for _ in range(round(days * boluses)):
                pump.bench.advance_by(DAY_US // boluses)
                client.patient_bolus()
        else:
            pump.bench.advance_by(round(days * DAY_US))
        return 1000 * (used_s(pump) - began_s) / days


def refused(client: Client) -> None:
    """One record more on flash."""
    try:
        client.clear_log()
    except Refused:
        return
    raise RuntimeError("the log was cleared")


def flowing(ul_per_day: int) -> dict[str, Any]:
    """A constant flow, of a drug so thin that no dose is out of range."""
    drug = {**constant(1)["drugs"][0], "concentration_ng_per_ml": 4_000_000}
    return {**constant(1), "drugs": [drug], "basal_dose_ng_per_day": 4_000 * ul_per_day}


def steps(quick: bool) -> Points:
    """From the least flow to the highest."""
    flows = (100, 24_000) if quick else (50, 100, 250, 500, 1000, 2500, 5000, 10_000, 24_000)
    days = 2 if quick else 40
    return [
        (ul * 400.0, ms_per_day(flowing(ul), max(0.25, min(days, days * 400 / ul), days / 16)))
        for ul in flows
    ]


def sources(quick: bool) -> Points:
    """Periodic boluses beside a basal flow of 1 mL a day."""
    bolus = {"dose_ng": 100_000, "duration_us": 300_000_000, "every_us": 6 * HOUR_US}
    numbers = (0, 4) if quick else (0, 1, 2, 4)
    return [
        (
            1.0 + many,
            ms_per_day(
                {
                    **constant(1000),
                    "periodic_boluses": [{**bolus, "first_us": (n + 1) * HOUR_US} for n in range(many)],
                },
                2 if quick else 20,
            ),
        )
        for many in numbers
    ]


def flex(quick: bool) -> Points:
    """Steps of a flex day; the flow is 1 mL a day in all of them, within a hundredth."""
    numbers = (1, 48) if quick else (1, 2, 6, 12, 24, 48)
    return [(float(many), ms_per_day(flexed(many, 127), 2 if quick else 20)) for many in numbers]


def flexed(many: int, days: int, kinds_of_day: int = 1) -> dict[str, Any]:
    """A therapy of so many steps on each of so many kinds of day."""
    rows = [
        {
            "start_min": index * (1440 // many) // 30 * 30,
            "days": days if kinds_of_day == 1 else 1 << kind,
            "dose_ng_per_day": 20_000_000 + 1000 * index + kind,
        }
        for index in range(many)
        for kind in range(kinds_of_day)
    ]
    return {**constant(1000), "basal_dose_ng_per_day": 0, "basal_mode": 2, "basal_steps": rows}


def events(quick: bool) -> Points:
    """Patient boluses over the link, each with its records."""
    bolus = {"dose_ng": 10_000, "duration_us": 60_000_000, "lockout_us": 600_000_000, "max_per_24h": 96}
    therapy = {**constant(1000), "patient_bolus": [bolus], "library": mixed()["library"]}
    numbers = (4, 48) if quick else (2, 4, 12, 24, 48, 96)
    return [(float(many), ms_per_day(therapy, 1 if quick else 10, many)) for many in numbers]


def log_length(quick: bool) -> Points:
    """A day after so many records; the ring of refused requests is full from a few thousand on."""
    numbers = (100, 1000) if quick else (100, 1000, 4000, 16_000)
    return [(float(many), ms_per_day(constant(1000), 2 if quick else 20, records=many)) for many in numbers]


def report(quick: bool) -> Points:
    """`thecal report` as HTML and PDF."""
    return [(float(n), report_s(n)) for n in ((1000, 10_000) if quick else (1000, 10_000, 30_000, 100_000))]


def report_s(count: int) -> float:
    """Processor time of one report, process start to end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serial = month.write_record(folder / "month.json", count)
        (folder / f"{serial}.key").write_text(month.KEY.hex() + "\n")
        (folder / f"{serial}.key").chmod(0o600)
        command = [THECAL, "report", "--log", folder / "month.json", "--out", folder / "r.html"]
        began_s = processor_s()
        subprocess.run(
            [*map(str, command), "--pdf", str(folder / "r.pdf")],
            check=True,
            capture_output=True,
            env={**os.environ, "THECAL_KEYS": name},
        )
        return processor_s() - began_s


def store_import(quick: bool) -> Points:
    """A log file into an empty store."""
    return [(float(n), import_s(n)) for n in ((1000, 10_000) if quick else (10_000, 100_000, 1_000_000))]


def import_s(count: int) -> float:
    """Processor time of one import."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        write_log(file, count)
        with Store.open(Path(folder) / "store.sqlite") as store:
            began_s = time.process_time()
            store.add_log(SERIAL, log_files.read(file))
            return time.process_time() - began_s


def campaign(quick: bool) -> Points:
    """Runs of power cuts a second of wall time."""
    runs = 10 if quick else 40
    return [(float(workers), runs / campaign_s(runs, workers)) for workers in (1, 2)]


def campaign_s(runs: int, workers: int) -> float:
    """Wall time of so many runs on workers that have started."""
    import distributed

    from thecal.campaigns.runner import Runner

    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
    ):
        runner = Runner("power-cuts", runs + workers, 1, Path(folder), batch=1)
        runner.take_up(resume=False)
        began_s: list[float] = []
        runner.run(cluster.scheduler_address, lambda row: began_s.append(time.perf_counter()))
        return began_s[-1] - began_s[workers - 1]  # the first of each worker imports everything


def on_chip(quick: bool) -> Points:
    """What the emulated RP2040 computes to weigh and keep a program; none without an image."""
    sys.path.insert(0, str(ROOT / "tests"))
    from boards.rp2040.chip import Chip, find_image, on_chip
    from boards.rp2040.link import CLINICIAN_KEY, KEYS, client_on, keys_document

    image = find_image()
    if image is None:
        return []
    found: Points = []
    for many, kinds in ((1, 1), (48, 1)) if quick else ((1, 1), (12, 1), (48, 1), (48, 2), (48, 3)):
        chip = Chip(
            image, on_chip("serial=uart0\nproduction=1\n", more={"link-keys": keys_document(CLINICIAN_KEY)})
        )
        chip.wire_up()
        chip.unplug()
        with client_on(chip, dict(KEYS)) as client:
            client.status()
            began = chip.mcu.core.cycles
            client.commit(client.propose_program(flexed(many, 127, kinds)).digest)
            found.append((float(many * kinds), (chip.mcu.core.cycles - began) / 125_000))
    return found


MEASURES: dict[str, Callable[[bool], Points]] = {
    "steps": steps,
    "sources": sources,
    "flex": flex,
    "events": events,
    "log_length": log_length,
    "report": report,
    "store_import": store_import,
    "campaign": campaign,
    "chip": on_chip,
}


def main() -> None:
    """Measure what was asked for, keep the rest, draw."""
    parser = argparse.ArgumentParser(description="How cost grows.")
    parser.add_argument("--quick", action="store_true", help="few points; printed, nothing is written")
    parser.add_argument("--only", default=",".join(MEASURES), help="axes, with commas")
    parser.add_argument("--draw", action="store_true", help="page and plot from what was measured before")
    asked = parser.parse_args()
    names = [] if asked.draw else asked.only.split(",")
    if wrong := [name for name in names if name not in MEASURES]:
        parser.error(f"no axis {wrong[0]!r}; there are {', '.join(MEASURES)}")
    data: dict[str, Points] = json.loads(DATA.read_text()) if DATA.is_file() else {}
    for name in names:
        points = MEASURES[name](asked.quick)
        print(name, points, flush=True)
        if points:
            data[name] = [(x, float(f"{y:.4g}")) for x, y in points]
        if not asked.quick:
            DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if not asked.quick:
        PAGE.write_text(page(data), encoding="utf-8")
        draw(data)


if __name__ == "__main__":
    main()
