"""`thecal web` as a process of its own, and a client of it that is no browser."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

THECAL = Path(sys.executable).with_name("thecal")
DEADLINE_S = 40
_NUMBERS = count(1)


@dataclass
class Page:
    """A page's server: what a page may ask of it, without a page."""

    address: str
    process: "subprocess.Popen[str]"
    page: str = "test-page-1"
    version: str = field(default="", repr=False)
    close: Callable[[], None] = field(
        default=lambda: None, repr=False
    )  # of the page that acts from the start

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    @property
    def path(self) -> str:
        return urlsplit(self.address).path

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str = "", body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content. `path`: below the token, or absolute."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with contextlib.closing(line):
            whole = path if path.startswith("/") else self.path + path
            line.request(method, whole, body, headers or {})
            answer = line.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()

    def learn_version(self) -> str:
        if not self.version:
            text = self.request("GET")[2].decode()
            self.version = text.split('name="thecal-version" content="')[1].split('"')[0]
        return self.version

    def act(self, do: str, *, number: str = "", **values: Any) -> dict[str, Any]:
        """What a page asks for, and what came of it."""
        document = {
            "page": self.page,
            "version": self.learn_version(),
            "id": number or f"test-number-{next(_NUMBERS)}",
            "do": do,
            **values,
        }
        headers = {"Origin": self.origin, "Content-Type": "application/json"}
        status, _, content = self.request("POST", "act", json.dumps(document), headers)
        assert status == 200, content
        return json.loads(content)

    def event(self, kind: str, name: str, **values: str | bool) -> dict[str, Any]:
        return self.act("event", kind=kind, name=name, values=values)

    @contextlib.contextmanager
    def news(self, page: str = "", version: str = "") -> Iterator["Iterator[dict[str, Any]]"]:
        """What a page is told, one by one."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with contextlib.closing(line):
            query = f"page={page or self.page}&version={version or self.learn_version()}"
            line.request("GET", f"{self.path}news?{query}")
            answer = line.getresponse()
            assert answer.status == 200, answer.read()

            def told() -> Iterator[dict[str, Any]]:
                for text in answer:
                    if text.startswith(b"data: "):
                        yield json.loads(text[6:])

            yield told()


@contextlib.contextmanager
def serving(*arguments: object, environment: dict[str, str] | None = None) -> Iterator[Page]:
    """A server; it ends as Ctrl-C ends it, with no word of an error."""
    process = subprocess.Popen(
        [str(THECAL), "web", *map(str, arguments), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        page = Page(json.loads(line)["address"], process)
        with contextlib.ExitStack() as first:
            next(first.enter_context(page.news()))  # it is the first page, so it acts
            page.close = first.close
            yield page
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, errors
        assert errors == ""
    finally:
        process.kill()
        process.communicate()


def seen(told: Iterator[dict[str, Any]], known: dict[str, Any], is_so: Any) -> dict[str, Any]:
    """What is known of the page once `is_so` holds of it."""
    for news in told:
        known.update(news)
        if is_so(known):
            return known
    raise AssertionError("the stream of news ended")
