"""What the page of `thecal web` costs, in the system's Chromium: first paint, processor, input to paint."""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from monitor_cpu import cpu_s

_SETTLED_S = 2.0
_YEAR_DAYS = 365
_INPUTS = 15
_PAINTED = """async () => {
    const seen = performance.getEntriesByName('first-contentful-paint');
    return seen.length ? seen[0].startTime : performance.now();
}"""
_COUNTING = """() => {
    window.updates = 0;
    const all = { childList: true, characterData: true, subtree: true };
    const counted = new MutationObserver(() => { window.updates += 1; });
    counted.observe(document.querySelector('#clock'), all);
}"""
# From an input event to after the frame that shows what it changed.
_INPUT = """async () => {
    const began = performance.now(), what = document.querySelector('#what');
    what.selectedIndex = (what.selectedIndex + 1) % what.options.length;
    what.dispatchEvent(new Event('change'));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - began;
}"""


class Measured(NamedTuple):
    """Of the page that shows a pump."""

    first_paint_ms: float
    cpu_percent: float  # server and pump, ten updates a second
    updates_per_s: float
    input_ms: float  # the median, while a year passes as fast as it goes
    year_s: float


def browser() -> str | None:
    """The system's; none is downloaded."""
    return os.environ.get("THECAL_BROWSER") or shutil.which("chromium")


def measure(thecal: Path, therapy: Path, for_s: float) -> Measured:
    """One pump, one page. RuntimeError: there is no browser."""
    from playwright.sync_api import sync_playwright

    path = browser()
    if path is None:
        raise RuntimeError("no browser")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with _served(thecal, therapy) as (server, address), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=sandbox)
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        paints: list[float] = []
        for _ in range(3):
            page.goto(address)
            page.wait_for_selector("#bench:not([hidden])")
            paints.append(page.evaluate(_PAINTED))
        page.evaluate(_COUNTING)
        page.locator("#go").click()
        time.sleep(_SETTLED_S)
        pids = [server, *_children(server)]
        began, before, updates = time.monotonic(), _used_s(pids), page.evaluate("window.updates")
        time.sleep(for_s)
        used, took = _used_s(pids) - before, time.monotonic() - began
        rate = (page.evaluate("window.updates") - updates) / took
        page.locator("#go").click()
        page.locator("#speed").fill("7")
        began = time.monotonic()
        page.locator("#go").click()
        inputs: list[float] = []
        for _ in range(_INPUTS):
            page.wait_for_timeout(200)
            inputs.append(page.evaluate(_INPUT))
        page.wait_for_function(
            "days => parseInt(document.querySelector('#clock').textContent) >= days",
            arg=_YEAR_DAYS,
            timeout=1_800_000,
        )
        year_s = time.monotonic() - began
        chromium.close()
    return Measured(min(paints), 100 * used / took, rate, statistics.median(inputs), year_s)


@contextlib.contextmanager
def _served(thecal: Path, therapy: Path) -> Iterator[tuple[int, str]]:
    command = [str(thecal), "web", str(therapy), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            yield server.pid, json.loads(line)["address"]
        finally:
            server.terminate()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def _used_s(pids: list[int]) -> float:
    return sum(cpu_s(pid) for pid in pids)
