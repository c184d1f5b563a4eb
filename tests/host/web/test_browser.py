"""The page in a real browser: every flow, two browsers at once, a reload, a pump that dies, a slow line."""

import contextlib
import json
import os
import re
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from playwright.sync_api import Page as Tab

from support import browser as browsers
from support.web_page import Page, serving
from thecal.simulation.run import Plan
from thecal.simulation.scenario.load import load_events
from thecal.simulation.simulate import simulate
from thecal.therapy.load import load_therapy

EXAMPLE = "morphine-constant.toml"
WAIT_MS = 20_000
FASTEST = "7"
EVIL = "<img src=x onerror=window.hacked=1>"
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.launched() as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[Page]:
    with serving() as page:
        yield page


class Seen:
    """A tab, and whatever went wrong in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.tab = context.new_page()
        self.tab.set_default_timeout(WAIT_MS)
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.expected: list[str] = []  # what the console may say
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        self.tab.on("request", lambda sent: self.elsewhere.append(sent.url))

    def open(self, server: Page) -> Tab:
        self.tab.goto(server.address)
        expect(self.tab.locator("#line")).to_have_text("connected")
        return self.tab

    def check(self, server: Page) -> None:
        wrong = [text for text in self.errors if not any(re.search(word, text) for word in self.expected)]
        assert wrong == []
        assert [url for url in self.elsewhere if not url.startswith((server.origin, "data:", "blob:"))] == []


@pytest.fixture
def seen(browser: Browser, server: Page) -> Iterator[Seen]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    found = Seen(context)
    yield found
    found.check(server)
    context.close()


@pytest.fixture
def tab(seen: Seen, server: Page) -> Tab:
    """A page that acts, without a pump."""
    found = seen.open(server)
    act_here(found)
    if found.locator("#bench").is_visible():
        found.locator("#end-pump").click()
        expect(found.locator("#bench")).to_be_hidden()
    return found


def act_here(tab: Tab) -> None:
    expect(tab.locator("#example option")).not_to_have_count(0)
    if tab.locator("#take-over").is_visible():
        tab.locator("#take-over").click()
    expect(tab.locator("#start-form button")).to_be_enabled()


def start(tab: Tab, example: str = EXAMPLE) -> None:
    tab.locator("#example").select_option(example)
    tab.locator("#start-form button").click()
    expect(tab.locator("#bench")).to_be_visible()
    expect(tab.locator("#state")).to_have_text("infusing")


def do(tab: Tab, what: str, **values: str) -> None:
    tab.locator("#what").select_option(label=what)
    for key, text in values.items():
        field = tab.locator(f"#field-{key}")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(text)
        else:
            field.fill(text)
    tab.locator("#event-form button").click()


def said(tab: Tab) -> Locator:
    return tab.locator("#said")


def steps(tab: Tab) -> int:
    return int(re.sub(r"\D", "", tab.locator("#steps-text").text_content() or "0"))


def let_pass(tab: Tab, speed: str, until_days: float) -> None:
    tab.locator("#speed").fill(speed)
    tab.locator("#go").click()
    tab.wait_for_function(
        """least => {
            const found = /(\\d+) d (\\d+):(\\d+)/.exec(document.querySelector('#clock').textContent);
            return Number(found[1]) + Number(found[2]) / 24 + Number(found[3]) / 1440 >= least;
        }""",
        arg=until_days,
    )
    tab.locator("#go").click()
    expect(tab.locator("#go-text")).to_have_text("Let time pass")


@pytest.mark.req("HOST-28", part="in a browser")
def test_a_session_from_the_start_to_the_replay(tab: Tab, tmp_path: Path):
    start(tab)
    let_pass(tab, "6", 0.5)
    assert steps(tab) >= 24_000
    do(tab, "occlusion", where="downstream")
    expect(said(tab)).to_contain_text("written down")
    expect(tab.locator("#stands")).to_contain_text("occlusion")
    expect(tab.locator("#block-down")).to_be_visible()
    tab.locator("#next").click()
    expect(tab.locator("#alarms")).to_contain_text("occlusion downstream: critical alarm", timeout=WAIT_MS)
    expect(tab.locator("#go-text")).to_have_text("Let time pass")
    tab.get_by_role("button", name="End the occlusion").click()
    expect(tab.locator("#stands")).to_have_text("nothing")
    tab.locator("#press").click()
    expect(said(tab)).to_contain_text("press button")
    tab.locator("#power").click()
    expect(tab.locator("#state")).to_have_text("no power")
    expect(tab.locator("#off-sign")).to_be_visible()
    tab.locator("#power").click()
    expect(tab.locator("#state")).not_to_have_text("no power")
    do(tab, "clinician bolus", dose="0.1 mg", duration="10 min")
    expect(said(tab)).to_contain_text("clinician bolus")
    expect(tab.locator("#record-count")).to_have_text("4 events")
    with tab.expect_download() as download:
        tab.locator("#save").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(tmp_path)
    text = (tmp_path / "events.toml").read_text()
    until_us = int(re.search(r'--for "(\d+) us"', text).group(1))  # pyright: ignore[reportOptionalMemberAccess]
    therapy = load_therapy(tmp_path / EXAMPLE)
    outcome = simulate(Plan(therapy, until_us, load_events(tmp_path / "events.toml"), seed=1))
    assert outcome.steps == steps(tab)
    # and it opens again
    tab.locator("#begin summary").click()
    tab.locator("#files").set_input_files(download.value.path())  # its name has no ending: refused in words
    tab.locator("#start-form button").click()
    expect(tab.locator("#start-problem")).to_contain_text("no name of a therapy or events file")
    archive_ = tmp_path / "thecal-run.zip"
    archive_.write_bytes(Path(download.value.path()).read_bytes())
    tab.locator("#files").set_input_files(archive_)
    tab.locator("#start-form button").click()
    expect(tab.locator("#record-count")).to_have_text("0 events")
    expect(tab.locator("#pace")).to_contain_text("of the scenario: in")


def test_what_is_mistyped_is_said_beside_its_field_and_nothing_happens(tab: Tab):
    start(tab)
    for what, field, text, words in (
        ("clinician bolus", "dose", "5", "has no unit"),
        ("clinician bolus", "dose", "5 mgg", "mgg"),
        ("temperature", "celsius", "43 C", "plain whole number"),
        ("temperature", "celsius", "900", "-40 °C to 125 °C"),
        ("stop", "for", "20", "has no unit"),
        ("refill", "volume", "", "is missing"),
    ):
        do(tab, what, **{field: text})
        problem = tab.locator("#event-problem")
        expect(problem).to_contain_text("Nothing was done")
        expect(problem).to_contain_text(words)
        expect(tab.locator(f"#field-{field}")).to_have_attribute("aria-invalid", "true")
    expect(tab.locator("#record-count")).to_have_text("0 events")


@pytest.mark.req("SEC-24", part="names are text")
def test_names_from_files_are_text(tab: Tab, tmp_path: Path, repo_root: Path):
    text = (repo_root / "examples" / EXAMPLE).read_text()
    named = re.sub(r'^name = ".*"$', f'name = "{EVIL}"', text, count=1, flags=re.M)
    evil = tmp_path / "evil.toml"
    evil.write_text(re.sub(r'^name = "morphine"$', 'name = "<b>m</b>"', named, flags=re.M))
    tab.locator("#files").set_input_files(evil)
    tab.locator("#start-form button").click()
    expect(tab.locator("#who")).to_contain_text(EVIL)
    expect(tab.locator("#truth")).to_contain_text("<b>m</b> given")
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("main img").count() == 0
    assert tab.locator("main b").count() == 0


def test_files_that_cannot_be_are_refused_and_the_pump_goes_on(tab: Tab, tmp_path: Path):
    start(tab)
    let_pass(tab, "6", 0.1)
    before = steps(tab)
    tab.locator("#begin summary").click()
    scenario = tmp_path / "day.toml"
    scenario.write_text('[[event]]\nat = "1 h"\ndo = "program"\nfile = "/etc/hostname"\n')
    tab.locator("#files").set_input_files(scenario)
    tab.locator("#example").select_option(EXAMPLE)
    tab.locator("#start-form button").click()
    expect(tab.locator("#start-problem")).to_contain_text("was not opened with it")
    assert steps(tab) == before


@pytest.mark.req("SEC-23", part="in a browser: one page acts")
def test_two_browsers_at_once(tab: Tab, server: Page, browser: Browser):
    start(tab)
    with contextlib.closing(browser.new_context()) as other_context:
        other = Seen(other_context).open(server)
        expect(other.locator("#banner")).to_contain_text("Another page acts")
        expect(other.locator("#go")).to_be_disabled()
        let_pass(tab, "6", 0.2)
        expect(other.locator("#steps-text")).to_have_text(tab.locator("#steps-text").text_content() or "")
        other.locator("#take-over").click()
        expect(other.locator("#go")).to_be_enabled()
        expect(tab.locator("#go")).to_be_disabled()
        other.locator("#press").click()
        expect(tab.locator("#record-count")).to_have_text("1 event")


def test_a_reload_in_the_middle_goes_on_where_it_was(tab: Tab):
    start(tab)
    tab.locator("#speed").fill("5")
    tab.locator("#go").click()
    tab.wait_for_function("() => document.querySelector('#clock').textContent > '0 d 02'")
    tab.reload()
    expect(tab.locator("#line")).to_have_text("connected")
    expect(tab.locator("#go-text")).to_have_text("Pause")
    expect(tab.locator("#go")).to_be_enabled()  # it is the same page, so it acts
    expect(tab.locator("#speed")).to_have_value("5")
    rows = tab.locator("#chart-dose")
    expect(rows).to_be_visible()
    tab.locator("#go").click()
    expect(tab.locator("#go-text")).to_have_text("Let time pass")


def pump_processes(server: Page) -> list[int]:
    """The children of the server that run MicroPython."""
    tasks = Path(f"/proc/{server.process.pid}/task")
    children = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in children if b"micropython" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_pump_that_dies_is_said_and_another_can_be_started(tab: Tab, server: Page):
    start(tab)
    tab.locator("#go").click()
    for pid in pump_processes(server):
        os.kill(pid, signal.SIGKILL)
    expect(tab.locator("#banner")).to_contain_text("the last that was known")
    expect(tab.locator("#state")).to_have_text("ended")
    expect(tab.locator("#press")).to_be_disabled()
    tab.locator("#begin summary").click()
    start(tab)
    expect(tab.locator("#banner")).to_be_hidden()


@pytest.mark.req("HOST-30", part="a lost line")
def test_a_lost_line_is_shown_within_two_seconds_and_nothing_is_sent(seen: Seen, tab: Tab, server: Page):
    seen.expected += ["ERR_", "Failed to load", "fetch"]
    start(tab)
    server.process.send_signal(signal.SIGSTOP)
    began_s = time.monotonic()
    try:
        tab.wait_for_function("() => document.querySelector('#line').textContent === 'line lost'")
        took_s = time.monotonic() - began_s
        expect(tab.locator("#press")).to_be_disabled()
        expect(tab.locator("#banner")).to_contain_text("nothing is sent")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert took_s < 2
    expect(tab.locator("#line")).to_have_text("connected")
    expect(tab.locator("#record-count")).to_have_text("0 events")
    expect(tab.locator("#press")).to_be_enabled()


@pytest.mark.req("SEC-23", part="in a browser: nothing twice")
def test_an_answer_that_is_lost_is_asked_for_again_and_done_once(seen: Seen, tab: Tab):
    seen.expected += ["ERR_", "Failed to load"]
    start(tab)
    lost: list[Any] = []

    def lose(route: Any) -> None:
        if lost or json.loads(route.request.post_data)["do"] != "press":
            route.continue_()
            return
        lost.append(route.fetch().json())  # the server did it, and the page never hears of it
        route.abort("connectionreset")

    tab.route("**/act", lose)
    tab.locator("#press").click()
    expect(said(tab)).to_contain_text("written down")
    assert [answer["ok"] for answer in lost] == [True]
    expect(tab.locator("#record-count")).to_have_text("1 event")


def test_a_slow_line_gets_the_newest(seen: Seen, tab: Tab):
    start(tab)
    network = seen.context.new_cdp_session(tab)
    slow = {"offline": False, "latency": 200, "downloadThroughput": 60_000, "uploadThroughput": 30_000}
    network.send("Network.emulateNetworkConditions", slow)
    let_pass(tab, "6", 2)
    expect(tab.locator("#line")).to_have_text("connected")
    assert steps(tab) >= 96_000


def test_a_page_of_another_version_says_reload(seen: Seen, server: Page):
    tab = seen.tab

    def older(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(
            response=answer, body=re.sub(r'(thecal-version" content=")', r"\g<1>0.0.1-", answer.text())
        )

    tab.route(server.address, older)
    tab.goto(server.address)
    expect(tab.locator("#banner")).to_contain_text("another version of thecal. Reload it")
    expect(tab.locator("#start-form button")).to_be_disabled()


def test_a_wrong_address_says_what_to_do(seen: Seen, server: Page):
    seen.expected += ["403", "404"]
    seen.tab.goto(server.origin + "/no-such-token/")
    expect(seen.tab.locator("body")).to_contain_text("each start has its own")


@pytest.mark.req("SEC-24", part="in a browser")
def test_the_policy_stops_what_is_not_ours(seen: Seen, tab: Tab):
    seen.expected += ["Content Security Policy", "violates the following", "Trusted"]
    tab.evaluate(
        """() => {
            window.blocked = [];
            const note = (event) => window.blocked.push(event.violatedDirective);
            document.addEventListener('securitypolicyviolation', note);
            const script = document.createElement('script');
            try {
                script.text = 'window.hacked = 1';
                document.body.append(script);
            } catch {
                window.blocked.push('typed');
            }
            const image = document.createElement('img');
            image.src = 'http://127.0.0.2:9/x.png';
            document.body.append(image);
            fetch('http://127.0.0.2:9/').catch(() => {});
        }"""
    )
    tab.wait_for_function("() => window.blocked.length >= 3")
    assert tab.evaluate("window.hacked") is None
    assert {"img-src", "connect-src"} < set(tab.evaluate("window.blocked"))
    seen.elsewhere.clear()


@pytest.mark.req("HOST-30", part="axe, keyboard, width, dark and light")
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
def test_for_everybody(browser: Browser, server: Page, width: int, scheme: Any):
    with contextlib.closing(
        browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    ) as context:
        found = Seen(context)
        tab = found.open(server)
        act_here(tab)
        if tab.locator("#bench").is_hidden():
            start(tab)
        do(tab, "sensor missing", sensor="temperature")
        let_pass(tab, "5", 0.2)
        do(tab, "temperature", celsius="hot")  # an error is shown, too
        expect(tab.locator("#event-problem")).not_to_be_empty()
        results = Axe().run(tab)
        serious = [
            (found["id"], [node["target"] for node in found["nodes"]][:4])
            for found in results.response["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == []
        for narrower in (width, 768):
            tab.set_viewport_size({"width": narrower, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth") <= narrower
        found.check(server)
        tab.locator("#end-pump").click()


@pytest.mark.req("HOST-30", part="by keyboard alone")
def test_by_keyboard_alone(tab: Tab):
    def reach(selector: str) -> None:
        for _ in range(60):
            tab.keyboard.press("Tab")
            if tab.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} was not reached")

    tab.reload()
    expect(tab.locator("#start-form button")).to_be_enabled()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    reach("#start-form button")
    tab.keyboard.press("Enter")
    expect(tab.locator("#bench")).to_be_visible()
    reach("#speed")
    tab.keyboard.press("Home")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    expect(tab.locator("#speed-text")).to_have_text("6 h a second")
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Shift+Tab")
    assert tab.evaluate("document.activeElement.id") == "go"
    tab.keyboard.press("Space")
    expect(tab.locator("#go-text")).to_have_text("Pause")
    tab.keyboard.press("Space")
    expect(tab.locator("#go-text")).to_have_text("Let time pass")
    reach("#press")
    tab.keyboard.press("Enter")
    expect(tab.locator("#record-count")).to_have_text("1 event")
    reach("#what")
    tab.keyboard.type("motor stall")
    reach("#event-form button")
    tab.keyboard.press("Enter")
    expect(tab.locator("#stands")).to_contain_text("motor stall")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


@pytest.mark.req("HOST-30", part="at full speed")
def test_at_full_speed_what_is_pressed_is_done_in_between(tab: Tab):
    """How soon, in ms, is a figure of `make bench`; here, that time does not keep anybody waiting."""
    start(tab)
    tab.locator("#speed").fill(FASTEST)
    tab.locator("#go").click()
    tab.wait_for_function("() => parseInt(document.querySelector('#clock').textContent) >= 20")
    tab.locator("#press").click()
    expect(tab.locator("#record-count")).to_have_text("1 event")
    expect(tab.locator("#go-text")).to_have_text("Pause")
    tab.locator("#span").select_option("24")
    tab.locator("#back").fill("0")
    tab.locator("#go").click()
    expect(tab.locator("#go-text")).to_have_text("Let time pass")
