"""The pump in the page, in a real browser: opened from the disk, worked by hand, held against the oracle."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards.browser import oracle
from boards.browser.oracle import DAY_US, HOUR_US, MINUTE_US
from support import chromium
from support.chromium import Chromium

READY = "document.body?.dataset.ready"
NARROW = {"width": 320, "height": 700, "deviceScaleFactor": 1, "mobile": False}
CONTRAST = """(() => {
  const light = (color) => color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = light(getComputedStyle(document.body).backgroundColor) + 0.05;
  const of = (selector, name) => light(getComputedStyle(document.querySelector(selector))[name]) + 0.05;
  const inks = [of("dd", "color"), of("#message", "color"), of("button", "color"), of("path", "stroke"),
    of("path.second", "stroke")];
  return inks.map((ink) => Math.max(ink, ground) / Math.min(ink, ground));
})()"""
UNNAMED = """[...document.querySelectorAll("input, button, svg, iframe")]
  .filter((each) => !(each.labels?.[0]?.textContent || each.textContent || each.ariaLabel).trim())
  .map((each) => each.outerHTML)"""


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """On the page, whose pump has booted."""
    program = chromium.found()
    if program is None:
        if os.environ.get("THECAL_PAGE") == "must":
            pytest.fail("no browser: install Chromium, or name one in THECAL_BROWSER")
        pytest.skip("no browser: install Chromium, or name one in THECAL_BROWSER")
    with chromium.running(program, tmp_path_factory.mktemp("profile")) as browser:
        browser.open(page.as_uri())
        browser.wait_for(READY)
        yield browser


@pytest.fixture
def fresh(browser: Chromium, page: Path) -> Chromium:
    """With a new pump."""
    browser.open("about:blank")
    browser.open(page.as_uri())
    browser.wait_for(READY)
    return browser


def text(browser: Chromium, name: str) -> str:
    return browser.ask(f"document.getElementById('{name}').textContent")


def fill(browser: Chromium, **fields: str | bool) -> None:
    for name, value in fields.items():
        attribute = "checked" if isinstance(value, bool) else "value"
        wanted = str(value).lower() if isinstance(value, bool) else repr(value)
        browser.ask(f"document.querySelector('[name={name}]').{attribute} = {wanted}")


def click(browser: Chromium, selector: str) -> None:
    browser.ask(f"document.querySelector({json.dumps(selector)}).click()")
    browser.wait_for("document.body.dataset.passing === 'false'")


@pytest.mark.req("DEL-01", part="in the page")
@pytest.mark.req("HOST-31", part="their number, in a browser")
def test_the_steps_shown_are_the_oracles(fresh: Chromium):
    fill(fresh, flow="0.75", concentration="2", bolus=True, dose="0.05", lasting="8", every="5")
    click(fresh, "#program")
    assert text(fresh, "message") == "Programmed."
    click(fresh, "[data-pass='24']")
    click(fresh, "[data-pass='24']")
    bolus = oracle.bolus(50_000, 8 * MINUTE_US, 5 * HOUR_US)
    program = oracle.program(750_000, 2_000_000, boluses=[bolus])
    steps = oracle.steps_by(program, 2 * DAY_US)
    assert int(text(fresh, "moved")) == int(text(fresh, "counted")) == steps
    assert text(fresh, "clock") == "2 d 00:00:00"
    assert (text(fresh, "state"), text(fresh, "alarms"), text(fresh, "resets")) == ("infusing", "none", "0")
    given_ml = steps * 2500 / 1e9
    assert text(fresh, "given") == f"{given_ml * 2:.3f}"
    assert text(fresh, "tip") == f"{(given_ml - 0.3358) * 2:.3f}"
    assert len(fresh.ask("document.querySelector('#plot-steps path').getAttribute('d')")) > 1000


def test_a_stall_and_a_hang_are_seen(fresh: Chromium):
    click(fresh, "#program")
    fill(fresh, minutes="90")
    click(fresh, "#stall")
    click(fresh, "[data-pass='1']")
    assert text(fresh, "alarms") == "motor_stall (critical)"
    assert int(text(fresh, "moved")) == 0 < int(text(fresh, "counted"))
    click(fresh, "[data-pass='1']")
    assert text(fresh, "alarms") == "none"
    click(fresh, "#hang")
    assert text(fresh, "state") == "hung"
    click(fresh, "#program")
    assert "hangs and does not answer" in text(fresh, "message")
    before = int(text(fresh, "moved"))
    click(fresh, "[data-pass='1']")
    assert (text(fresh, "resets"), text(fresh, "state")) == ("1", "infusing")
    assert before + 16_000 < int(text(fresh, "moved")) <= before + 16_667


def test_another_concentration_comes_with_a_refill(fresh: Chromium):
    click(fresh, "#program")
    click(fresh, "[data-pass='1']")
    fill(fresh, concentration="2")
    click(fresh, "#press")
    assert text(fresh, "message") == "The button was pressed. Nothing waited for it."
    click(fresh, "#program")
    assert text(fresh, "message") == "The pump wants its button pressed for this; press it"
    click(fresh, "#press")
    assert text(fresh, "message") == "Refilled and programmed."
    assert text(fresh, "reservoir") == "40.000"
    click(fresh, "[data-pass='1']")
    assert text(fresh, "alarms") == "none"
    assert abs(float(text(fresh, "given")) - 1 / 24 - 2 / 24) < 0.001


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("flow", "1,5", 'Flow: "1,5" is no amount; write a decimal number such as 1.5'),
        ("flow", "<b>1", 'Flow: "<b>1" is no amount; write a decimal number such as 1.5'),
        ("flow", "0.1234567", 'Flow: "0.1234567" has too many digits; write at most 6 after the point'),
        ("minutes", "", 'Minutes: "" is no amount; write a decimal number such as 1.5'),
        ("flow", "25", "The pump refuses this: basal rate must be 0.048 to 24 mL/day"),
    ],
)
def test_what_is_mistyped_is_told(browser: Chromium, field: str, value: str, says: str):
    before = [text(browser, name) for name in ("clock", "moved", "state")]
    good = browser.ask(f"document.querySelector('[name={field}]').value")
    fill(browser, **{field: value})
    browser.ask(f"document.querySelector('[name={field}]').form.noValidate = true")
    click(browser, "#stall" if field == "minutes" else "#program")
    assert text(browser, "message") == says
    assert [text(browser, name) for name in ("clock", "moved", "state")] == before
    fill(browser, **{field: good})


def test_an_address_is_a_run(browser: Chromium, page: Path):
    browser.open("about:blank")
    browser.open(page.as_uri() + "#flow=2&concentration=5&days=0.125")
    browser.wait_for(READY)
    program = oracle.program(2_000_000, 5_000_000)
    assert int(text(browser, "moved")) == oracle.steps_by(program, DAY_US // 8)


@pytest.mark.req("HOST-30", part="the pump in a page of the docs")
def test_keyboard_names_width_and_contrast(fresh: Chromium):
    assert fresh.ask(UNNAMED) == []
    fresh.ask("document.querySelector('[name=flow]').focus()")
    fresh.press("Enter", 13, "\r")
    fresh.wait_for("document.getElementById('message').textContent === 'Programmed.'")
    fresh.ask("document.getElementById('program').focus()")
    fresh.press("Tab", 9)
    fresh.press("Tab", 9)
    assert fresh.ask("document.activeElement.dataset.pass") == "1"
    fresh.call("Emulation.setDeviceMetricsOverride", **NARROW)
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    needed, there = fresh.ask(widths)
    assert needed <= there <= NARROW["width"]
    fresh.call("Emulation.clearDeviceMetricsOverride")
    grounds: set[str] = set()
    for scheme in ("light", "dark"):
        fresh.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        grounds.add(fresh.ask("getComputedStyle(document.body).backgroundColor"))
        assert min(fresh.ask(CONTRAST)) >= 4.5
    assert len(grounds) == 2


@pytest.mark.req("HOST-31", part="asks nothing of a server")
def test_nothing_is_asked_of_anybody_and_nothing_went_wrong(browser: Chromium, page: Path):
    """After all of the above."""
    own = (page.as_uri(), "about:blank", "blob:")
    assert [each for each in browser.asked if not each.startswith(own)] == []
    assert browser.wrong == []
    policy = browser.ask("document.querySelector('meta[http-equiv]').content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy
    asks = "fetch('data:,x').then(() => 'went', () => 'kept')"
    assert browser.ask(asks) == "kept"
