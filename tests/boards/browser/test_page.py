"""The pump in the page, in a real browser: opened from the disk, worked by hand, held against the oracle."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from boards.browser import oracle
from boards.browser.oracle import DAY_US, HOUR_US, MINUTE_US
from support import browser as browsers

WAIT_MS = 60_000


@dataclass
class Seen:
    """A tab on the page, what it asked for, and whatever went wrong in it."""

    tab: Tab
    address: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.set_default_timeout(WAIT_MS)
        self.tab.on("request", lambda request: self.asked.append(request.url[:60]))
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("console", lambda line: self.wrong.append(line.text) if line.type == "error" else None)

    def open(self, wanted: str = "") -> None:
        """With a new pump, which has booted and done what the address asks."""
        self.tab.goto("about:blank")
        self.tab.goto(self.address + wanted)
        self.tab.wait_for_selector("body[data-ready]")

    def text(self, name: str) -> str:
        return self.tab.locator(f"#{name}").inner_text()

    def click(self, selector: str) -> None:
        """And time passes, if that is what the button is for."""
        self.tab.locator(selector).click()
        self.tab.wait_for_selector("body[data-passing=false]")

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.tab.locator(f"[name={name}]").fill(value)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.launched() as found:
        yield found


@pytest.fixture(scope="module")
def shared(browser: Browser, page_file: Path) -> Seen:
    seen = Seen(browser.new_page(), page_file.as_uri())
    seen.open()
    return seen


@pytest.fixture
def seen(shared: Seen) -> Iterator[Seen]:
    """With a pump of its own; nothing may go wrong, and nothing be asked of anybody."""
    shared.open()
    yield shared
    own = (shared.address, "about:blank", "blob:")
    assert [each for each in shared.asked if not each.startswith(tuple(one[:60] for one in own))] == []
    assert shared.wrong == []


@pytest.mark.req("DEL-01", part="in the page")
@pytest.mark.req("HOST-31", part="their number, in a browser")
def test_the_steps_shown_are_the_oracles(seen: Seen):
    seen.fill(flow="0.75", concentration="2", dose="0.05", lasting="8", every="5")
    seen.tab.locator("[name=bolus]").check()
    seen.click("#program")
    assert seen.text("message") == "Programmed."
    seen.click("[data-pass='24']")
    seen.click("[data-pass='24']")
    bolus = oracle.bolus(50_000, 8 * MINUTE_US, 5 * HOUR_US)
    program = oracle.program(750_000, 2_000_000, boluses=[bolus])
    steps = oracle.steps_by(program, 2 * DAY_US)
    assert int(seen.text("moved")) == int(seen.text("counted")) == steps
    assert seen.text("clock") == "2 d 00:00:00"
    assert (seen.text("state"), seen.text("alarms"), seen.text("resets")) == ("infusing", "none", "0")
    given_ml = steps * 2500 / 1e9
    assert seen.text("given") == f"{given_ml * 2:.3f}"
    assert seen.text("tip") == f"{(given_ml - 0.3358) * 2:.3f}"
    assert len(seen.tab.locator("#plot-steps path").first.get_attribute("d") or "") > 1000


def test_a_stall_and_a_hang_are_seen(seen: Seen):
    seen.click("#program")
    seen.fill(minutes="90")
    seen.click("#stall")
    seen.click("[data-pass='1']")
    assert seen.text("alarms") == "motor_stall (critical)"
    assert int(seen.text("moved")) == 0 < int(seen.text("counted"))
    seen.click("[data-pass='1']")
    assert seen.text("alarms") == "none"
    seen.click("#hang")
    assert seen.text("state") == "hung"
    seen.click("#program")
    assert "hangs and does not answer" in seen.text("message")
    before = int(seen.text("moved"))
    seen.click("[data-pass='1']")
    assert (seen.text("resets"), seen.text("state")) == ("1", "infusing")
    assert before + 16_000 < int(seen.text("moved")) <= before + 16_667


def test_another_concentration_comes_with_a_refill_and_a_press(seen: Seen):
    seen.click("#program")
    seen.click("[data-pass='1']")
    seen.fill(concentration="2")
    seen.click("#press")
    assert seen.text("message") == "The button was pressed. Nothing waited for it."
    seen.click("#program")
    assert seen.text("message") == "The pump wants its button pressed for this; press it"
    seen.click("#press")
    assert seen.text("message") == "Refilled and programmed."
    assert seen.text("reservoir") == "40.000"
    seen.click("[data-pass='1']")
    assert seen.text("alarms") == "none"
    assert abs(float(seen.text("given")) - 1 / 24 - 2 / 24) < 0.001


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("flow", "1,5", 'Flow: "1,5" is no amount; write a decimal number such as 1.5'),
        ("flow", "<b>1", 'Flow: "<b>1" is no amount; write a decimal number such as 1.5'),
        ("flow", "0.1234567", 'Flow: "0.1234567" has too many digits; write at most 6 after the point'),
        ("minutes", "-1", 'Minutes: "-1" is no amount; write a decimal number such as 1.5'),
        ("flow", "25", "The pump refuses this: basal rate must be 0.048 to 24 mL/day"),
    ],
)
def test_what_is_mistyped_is_told(shared: Seen, name: str, value: str, says: str):
    before = [shared.text(each) for each in ("clock", "moved", "state")]
    good = shared.tab.locator(f"[name={name}]").input_value()
    shared.fill(**{name: value})
    shared.click("#stall" if name == "minutes" else "#program")
    assert shared.text("message") == says
    assert [shared.text(each) for each in ("clock", "moved", "state")] == before
    shared.fill(**{name: good})


def test_an_address_is_a_run(shared: Seen):
    shared.open("#flow=2&concentration=5&days=0.125")
    program = oracle.program(2_000_000, 5_000_000)
    assert int(shared.text("moved")) == oracle.steps_by(program, DAY_US // 8)
    shared.open("#flow=two&days=1")
    assert shared.text("message") == 'Flow: "two" is no amount; write a decimal number such as 1.5'


@pytest.mark.req("HOST-30", part="the pump in a page of the docs")
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
def test_for_everybody(browser: Browser, page_file: Path, width: int, scheme: Any):
    with contextlib.closing(
        browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    ) as context:
        seen = Seen(context.new_page(), page_file.as_uri())
        seen.open("#days=0.05")
        results = Axe().run(seen.tab).response["violations"]
        assert [found["id"] for found in results if found["impact"] in ("serious", "critical")] == []
        assert seen.tab.evaluate("document.documentElement.scrollWidth") <= width
        seen.tab.locator("[name=flow]").focus()
        seen.tab.keyboard.press("Enter")
        seen.tab.wait_for_selector("#message:text('Programmed.')")
        seen.tab.locator("#press").focus()
        seen.tab.keyboard.press("Tab")
        assert seen.tab.evaluate("document.activeElement.dataset.pass") == "1"
        seen.tab.keyboard.press("Enter")
        seen.tab.wait_for_selector("#message:has-text('have passed')")


@pytest.mark.req("HOST-31", part="asks nothing of a server")
def test_the_policy_keeps_everything_else_from_happening(shared: Seen):
    policy = shared.tab.locator("meta[http-equiv]").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy
    asks = "fetch('data:,x').then(() => 'went', () => 'kept')"
    assert shared.tab.evaluate(asks) == "kept"
    shared.wrong.clear()
