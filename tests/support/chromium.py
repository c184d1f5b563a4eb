"""A real browser, over its debugging pipe: Chromium without a window, nothing installed for it.

THECAL_BROWSER names it, else it is looked for in PATH.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ANSWER_S = 60
_OPTIONS = (
    "--headless",
    "--no-first-run",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
_ON_3_AND_4 = """
import os, sys
for given, apart in zip(map(int, sys.argv[1:3]), (103, 104)):
    os.dup2(given, apart)
for apart in (103, 104):
    os.dup2(apart, apart - 100)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def found() -> str | None:
    """The browser of this computer."""
    return os.environ.get("THECAL_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser and one page of it."""

    def __init__(self, program: str, profile: Path):
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        options = [*_OPTIONS, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        launcher = [sys.executable, "-c", _ON_3_AND_4, str(theirs_in), str(theirs_out)]
        self.process = subprocess.Popen(
            [*launcher, program, *options, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._read = b""
        self._number = 0
        self._session = ""
        self.wrong: list[str] = []  # exceptions, and what the page's policy kept from happening
        self.asked: list[str] = []  # every address that it wanted something of
        pages = self.call("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in pages if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._out, b'{"id": 0, "method": "Browser.close"}\0')
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **parameters: object) -> Any:
        """A command of the debugging protocol; its answer."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]

    def _next(self) -> Any:
        until_s = time.monotonic() + _ANSWER_S
        while b"\0" not in self._read:
            left_s = until_s - time.monotonic()
            assert left_s > 0, "the browser does not answer"
            if select.select([self._in], [], [], left_s)[0]:
                data = os.read(self._in, 1 << 16)
                assert data, "the browser has ended"
                self._read += data
        line, _, self._read = self._read.partition(b"\0")
        said = json.loads(line)
        self._note(said.get("method"), said.get("params"))
        return said

    def _note(self, event: str | None, about: Any) -> None:
        if event == "Runtime.exceptionThrown":
            self.wrong.append(json.dumps(about["exceptionDetails"])[:500])
        elif event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.wrong.append(about["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.asked.append(about["request"]["url"][:80])

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def ask(self, script: str) -> Any:
        """What an expression comes to; a promise is waited for."""
        said = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until an expression is true, looked at after every change of the page."""
        watched = """new Promise((done) => {
            const look = () => { if (%s) { watch.disconnect(); done(true); } };
            const watch = new MutationObserver(look);
            watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
            look();
        })"""
        self.ask(watched % condition)

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key of the keyboard."""
        about: dict[str, object] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)


@contextlib.contextmanager
def running(program: str, profile: Path) -> Iterator[Chromium]:
    """A browser, closed at the end."""
    browser = Chromium(program, profile)
    try:
        yield browser
    finally:
        browser.close()
