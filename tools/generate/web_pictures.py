#!/usr/bin/env python3
"""Write the pictures of `thecal web` from real runs in the system's Chromium: docs/images/web*.png, and the
short animation that README opens with.

An occlusion while the emulated pump infuses, as somebody at the page sees it. Run from the project's root:
.venv/bin/python tools/generate/web_pictures.py [FOLDER for every width, dark and light]
"""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
THECAL = Path(sys.executable).with_name("thecal")
THERAPY = ROOT / "examples" / "baclofen-night-rise.toml"
WIDE = {"width": 1440, "height": 980}
FRAMES = 14
FRAME_MS = 450
COLOURS = 128
ANIMATION_WIDTH = 960
EVERY = [(width, scheme) for width in (320, 768, 1440) for scheme in ("light", "dark")]


def main(arguments: list[str]) -> int:
    """One server, one browser; each picture is of the same pump, a little later."""
    browser_path = os.environ.get("THECAL_BROWSER") or shutil.which("chromium")
    if not browser_path:
        print("no browser: install chromium, or name one in THECAL_BROWSER", file=sys.stderr)
        return 1
    command = [THECAL, "web", THERAPY, "--json"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        try:
            address = json.loads(server.stdout.readline() if server.stdout else "{}")["address"]
            sandbox = [] if os.geteuid() else ["--no-sandbox"]
            browser = playwright.chromium.launch(executable_path=browser_path, args=sandbox)
            page = opened(browser, address, WIDE["width"], "light")
            frames = course(page)
            save_animation(frames, IMAGES / "web.gif")
            page.screenshot(path=IMAGES / "web.png")
            for width, scheme in EVERY if arguments else []:
                other = opened(browser, address, width, scheme)
                other.screenshot(path=Path(arguments[0]) / f"web-{width}-{scheme}.png", full_page=True)
            browser.close()
        finally:
            server.terminate()
    print(f"written to {IMAGES.relative_to(ROOT)}")
    return 0


def opened(browser: Browser, address: str, width: int, scheme: str) -> Page:
    """The page in a browser of its own."""
    page = browser.new_page(
        viewport={"width": width, "height": WIDE["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(address)
    expect(page.locator("#bench")).to_be_visible()
    page.wait_for_timeout(600)  # the charts are drawn
    return page


def course(page: Page) -> list[Image.Image]:
    """Two days pass, the catheter is blocked, the pump notices, it is free again."""
    frames: list[Image.Image] = []

    def shoot(count: int) -> None:
        for _ in range(count):
            frames.append(Image.open(io.BytesIO(page.screenshot())))
            page.wait_for_timeout(FRAME_MS // 2)

    shoot(1)
    page.locator("#speed").fill("6")
    page.locator("#go").click()
    page.wait_for_function("() => parseInt(document.querySelector('#clock').textContent) >= 1")
    shoot(FRAMES // 2)
    page.locator("#go").click()
    page.locator("#what").select_option(label="occlusion")
    page.locator("#event-form button").click()
    expect(page.locator("#stands")).to_contain_text("occlusion")
    page.locator("#next").click()
    expect(page.locator("#alarms")).to_contain_text("occlusion", timeout=30_000)
    shoot(3)
    page.get_by_role("button", name="End the occlusion").click()
    page.locator("#speed").fill("5")
    page.locator("#go").click()
    page.wait_for_timeout(1500)
    shoot(FRAMES // 4)
    page.locator("#go").click()
    expect(page.locator("#go-text")).to_have_text("Let time pass")
    page.wait_for_timeout(400)
    shoot(1)
    return frames


def save_animation(frames: list[Image.Image], path: Path) -> None:
    """One palette for all, so that only what moves takes bytes."""
    height = round(frames[0].height * ANIMATION_WIDTH / frames[0].width)
    small = [
        frame.convert("RGB").resize((ANIMATION_WIDTH, height), Image.Resampling.LANCZOS) for frame in frames
    ]
    both = Image.new("RGB", (ANIMATION_WIDTH, 2 * height))
    for at, frame in enumerate(
        (small[FRAMES // 2], small[FRAMES // 2 + 2])
    ):  # as it flows, and with the alarm
        both.paste(frame, (0, at * height))
    palette = both.quantize(COLOURS)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    times = [FRAME_MS] * (len(drawn) - 1) + [4 * FRAME_MS]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=times, loop=0, optimize=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
