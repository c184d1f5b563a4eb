"""Who may talk to `thecal web`, and what it gives away: asked by what is no browser."""

import io
import json
import re
import socket
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ready_command import run_command
from support.web_page import THECAL, Page, seen, serving
from thecal.web.guard import HEADERS

EVIL = "http://evil.example"
EXAMPLE = "morphine-constant.toml"


@pytest.fixture(scope="module")
def page(repo_root: Path) -> Iterator[Page]:
    with serving(repo_root / "examples" / EXAMPLE) as found:
        yield found


def asked(page: Page, **changed: str) -> dict[str, str]:
    return {"Origin": page.origin, "Content-Type": "application/json", **changed}


@pytest.mark.req("SEC-23", part="this computer alone")
def test_it_listens_on_this_computers_own_address_alone(page: Page):
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows += Path("/proc/net/tcp6").read_text().splitlines()[1:]
    listening = [row.split()[1] for row in rows if row.split()[3] == "0A"]
    assert [at for at in listening if at.endswith(f":{page.port:04X}")] == [f"0100007F:{page.port:04X}"]


@pytest.mark.req("SEC-23", part="the token")
@pytest.mark.parametrize(
    "path", ["/", "/x/", "/{wrong}/", "/{wrong}/news", "/{wrong}/run.zip", "/about.json", "/%00/"]
)
def test_without_its_token_there_is_nothing(page: Page, path: str):
    token = page.path.strip("/")
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    status, headers, content = page.request("GET", path.format(wrong=wrong))
    assert status in (403, 404)
    assert headers["content-type"].startswith("text/plain")
    assert b"address" in content
    assert token.encode() not in content
    assert len(token) >= 43


@pytest.mark.req("SEC-23", part="Host")
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", "[::1]:{port}"]
)
def test_another_name_of_this_computer_is_refused(page: Page, host: str):
    status, _, content = page.request("GET", headers={"Host": host.format(port=page.port)})
    assert status == 403
    assert b"name" in content


def test_localhost_is_its_name_too(page: Page):
    assert page.request("GET", headers={"Host": f"localhost:{page.port}"})[0] == 200


@pytest.mark.req("SEC-23", part="Origin")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["", "news", "about.json", "run.zip"])
def test_another_site_reads_nothing(page: Page, headers: dict[str, str], path: str):
    assert page.request("GET", path, headers=headers)[0] == 403


@pytest.mark.req("SEC-23", part="Origin")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_site_changes_nothing(page: Page, headers: dict[str, str]):
    body = json.dumps(
        {"page": page.page, "version": page.learn_version(), "id": "an-id-of-ours", "do": "end_pump"}
    )
    assert page.request("POST", "act", body, asked(page, **headers))[0] == 403
    without = {"Content-Type": "application/json"}
    assert page.request("POST", "act", body, without)[0] == 403
    assert page.act("pause")["ok"], "the pump has not ended"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_do_nothing(page: Page, method: str):
    status, headers, _ = page.request(method, "act", "", asked(page))
    assert status in (403, 405)
    assert "access-control-allow-origin" not in headers


@pytest.mark.req("SEC-24")
@pytest.mark.parametrize("path", ["", "main.js", "about.json", "run.zip", "/nothing/"])
def test_every_answer_has_the_strict_headers(page: Page, path: str):
    _, headers, _ = page.request("GET", path)
    for name, text in HEADERS.items():
        assert headers[name.lower()] == text
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "*" not in policy
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.req("SEC-24")
def test_the_page_loads_nothing_from_elsewhere_and_holds_no_code(page: Page):
    text = page.request("GET")[2].decode()
    assert re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert not re.findall(r'(?:src|href)="(?:https?:|//|data:|javascript:)', text)
    assert not re.findall(r"\son[a-z]+=|\sstyle=|<style|<script>", text)
    for name in set(re.findall(r'(?:src|href)="([^"#]+)"', text)) - {"run.zip"}:
        assert page.request("GET", name)[0] == 200, name
    scripts = Path(__file__).parents[3] / "host_tools" / "thecal" / "web" / "static"
    for script in scripts.glob("*.js"):
        code = script.read_text()
        if script.name != "uPlot.js":
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", code
            )
            assert not re.search(r"https?://(?!www\.w3\.org)", code), script


@pytest.mark.req("SEC-23", part="one page acts")
def test_one_page_acts_and_another_may_take_over(page: Page):
    other = Page(page.address, page.process, "test-page-2")
    with other.news() as told:
        assert seen(told, {}, lambda known: "acts" in known)["acts"] is False
        refused = other.act("go")
        assert not refused["ok"]
        assert "another page acts" in refused["error"]
        assert other.act("take_over")["ok"]
        assert seen(told, {}, lambda known: "acts" in known)["acts"] is True
        assert other.act("pause")["ok"]
        assert not page.act("pause")["ok"]
    assert page.act("take_over")["ok"]


def test_the_only_page_left_acts(repo_root: Path):
    with serving() as page:
        other = Page(page.address, page.process, "test-page-9")
        with other.news() as told:
            assert seen(told, {}, lambda known: "acts" in known)["acts"] is False
            page.close()
            known = seen(told, {}, lambda known: known.get("acts") is True)
            assert known["pages"] == 1
        with page.news() as again:  # and who comes when nobody acts
            seen(again, {}, lambda known: known.get("acts") is True)


@pytest.mark.req("SEC-23", part="nothing twice")
def test_what_has_one_number_is_done_once(page: Page):
    def presses() -> int:
        with zipfile.ZipFile(io.BytesIO(page.request("GET", "run.zip")[2])) as archive:
            return archive.read("events.toml").count(b"press_button")

    before = presses()
    first = page.act("press", number="the-same-number")
    assert first["ok"]
    assert page.act("press", number="the-same-number") == first
    assert presses() == before + 1
    assert page.act("press", number="another-number")["ok"]
    assert presses() == before + 2


def test_a_page_of_another_version_is_told_to_reload(page: Page):
    with page.news(version="0.0.1-old") as told:
        assert next(told) == {"reload": True}
    old = Page(page.address, page.process, page.page, "0.0.1-old")
    answer = old.act("press")
    assert (answer["ok"], answer["reload"]) == (False, True)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("", "asked in no way"),
        ("[]", "asked in no way"),
        ("{" * 2000, "asked in no way"),
        ('{"version": "{version}"}', "gave no name"),
        ('{"version": "{version}", "page": "test-page-1", "id": "<b>"}', "gave no number"),
        ('{"version": "{version}", "page": "test-page-1", "id": "number-x1", "do": "rm"}', "there is not"),
        ('{"version": "{version}", "page": "test-page-1", "id": "number-x2", "do": ["go"]}', "there is not"),
        ('{"version": "{version}", "page": "test-page-1", "id": "number-x3", "do": "event"}', "there is not"),
        (
            '{"version": "{version}", "page": "test-page-1", "id": "number-x4", "do": "speed", "index": 99}',
            "speed",
        ),
        (
            '{"version": "{version}", "page": "test-page-1", "id": "number-x5", "do": "speed", '
            '"index": true}',
            "speed",
        ),
        (
            '{"version": "{version}", "page": "test-page-1", "id": "number-x6", "do": "end", "number": 9}',
            "over",
        ),
        (
            '{"version": "{version}", "page": "test-page-1", "id": "number-x7", "do": "power", "on": true}',
            "already",
        ),
        (
            '{"version": "{version}", "page": "test-page-1", "id": "number-x8", "do": "go", "files": 3}',
            "file",
        ),
        (
            '{"version": "{version}", "page": "test-page-1", "id": "number-x9", "do": "start", '
            '"files": [{"name": "a.toml", "base64": "%"}]}',
            "file",
        ),
    ],
)
def test_what_no_page_would_ask_is_refused_in_words(page: Page, body: str, word: str):
    text = body.replace("{version}", page.learn_version())
    status, _, content = page.request("POST", "act", text, asked(page))
    answer: dict[str, Any] = json.loads(content)
    assert (status, answer["ok"]) == (200, False)
    assert word in answer["error"]
    assert "Traceback" not in content.decode()


def test_what_is_too_large_is_not_read(page: Page):
    line = socket.create_connection(("127.0.0.1", page.port), timeout=20)
    with line:
        head = f"POST {page.path}act HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        head += "Content-Length: 900000000\r\n\r\n"
        line.sendall(head.encode())
        assert b"400" in line.recv(200) or line.recv(1) == b""
    assert page.act("pause")["ok"]


@pytest.mark.req("SEC-23", part="keys")
def test_no_key_is_in_anything_that_the_page_is_told(page: Page):
    from thecal.web.desk import Desk  # the same as the server's: what it tells, whole

    told: list[dict[str, Any]] = []
    desk = Desk(told.append)
    desk.start()
    try:
        desk.ask("start", {"example": EXAMPLE}).result(20)
        live = desk._live
        assert live is not None
        keys = [live.pump._emulator.key(role) for role in (1, 2, 3, 4)]
        text = json.dumps([{**document, "samples": ""} for document in told]) + live.events_text()
        assert any(keys)
        for key in filter(None, keys):
            assert key.hex() not in text
    finally:
        desk.close()


def test_a_port_in_use_is_said(page: Page):
    done = run_command("web", "--listen", page.port)
    assert done.returncode == 1
    assert f"port {page.port}: address already in use" in done.stderr
    assert "--listen 0" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_browser_is_said_and_the_address_stays(tmp_path: Path):
    environment = {"BROWSER": "/nonexistent/browser %s", "PATH": "/nonexistent", "DISPLAY": ""}
    process = subprocess.Popen(
        [THECAL, "web", "--open"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        said = process.stderr.readline() + process.stderr.readline()
        assert "No browser could be opened" in said
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.req("SEC-23", part="the token")
def test_the_browser_is_led_there_by_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What stands on a command line everybody on the computer can read."""
    from thecal.web import command

    given: list[str] = []
    monkeypatch.setattr(command.webbrowser, "open", lambda address: given.append(address) or True)
    assert command._opened(tmp_path / "page.html", "http://127.0.0.1:1/secret/")
    assert "secret" not in given[0]
    file = tmp_path / "page.html"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" in file.read_text()


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    import sys

    from thecal import cli

    for name in [name for name in sys.modules if name.startswith(("thecal.web", "tornado"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tornado", None)
    assert cli.run(["web"]) == 1
    assert "pip install 'thecal[web]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--events", "x.toml"], "THERAPY.toml"),
        (["--listen", "70000"], "65535"),
        (["nothing.toml"], "nothing.toml"),
        (["pyproject.toml"], "schema: is missing"),
    ],
)
def test_a_line_that_cannot_be_is_refused_in_words(repo_root: Path, line: list[str], words: str):
    done = run_command("web", *line, cwd=repo_root)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
