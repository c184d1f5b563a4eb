"""The site of `make docs`: built strictly, complete, nothing from the web; its workflow for CI is sound."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import browser_pump
import docs_site
from thecal.cli.app import app

NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def site(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, somewhere else; a proxy that leads nowhere stands for no internet."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
        cwd=repo_root,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1", **NOWHERE},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr.lower()
    return out


def test_every_page_is_there(site: Path, repo_root: Path):
    for page in (repo_root / "docs").rglob("*.md"):
        assert (site / page.relative_to(repo_root / "docs").with_suffix(".html")).is_file(), page


def test_every_page_is_in_the_menu(repo_root: Path):
    menu = set(re.findall(r": ([\w/-]+\.md)$", (repo_root / "mkdocs.yml").read_text(encoding="utf-8"), re.M))
    docs = repo_root / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    assert menu == pages | {"reference/commands.md"}


# --- as rendered ---

_NUMBER = re.compile(r"[0-9]+(?:[.,:][0-9]+)*")
_ITEM = re.compile(r"^( *)([0-9]+)\. ", re.MULTILINE)
_NOT_SHOWN = re.compile(r"\]\([^)]*\)|<!--.*?-->|^ *```\w*|^#+ ", re.MULTILINE | re.DOTALL)


def numbers_of(markdown: str) -> Counter[str]:
    """What a reader should find on the page: numbers of the source, but for those that only mark a list."""
    text = _NOT_SHOWN.sub(" ", markdown)
    last: dict[str, int] = {}

    def marker(found: re.Match[str]) -> str:
        indent, number = found[1], int(found[2])
        follows = number == 1 or last.get(indent) == number - 1
        last[indent] = number
        return " " if follows else found[0]

    return Counter(_NUMBER.findall(_ITEM.sub(marker, text)))


def shown_on(html: str) -> str:
    """The text of the page itself, without menu and head."""
    [article] = re.findall(r"<article.*?</article>", html, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", article))


def lost(markdown: str, html: str) -> list[str]:
    found = Counter(_NUMBER.findall(shown_on(html)))
    return [number for number, count in numbers_of(markdown).items() if found[number] < count]


def pages(site: Path, repo_root: Path) -> Iterator[tuple[str, str, str]]:
    docs = repo_root / "docs"
    for page in sorted(docs.rglob("*.md")):
        name = page.relative_to(docs)
        html = (site / name.with_suffix(".html")).read_text(encoding="utf-8")
        yield str(name), page.read_text(encoding="utf-8"), html


def test_every_number_of_the_source_is_on_the_page(site: Path, repo_root: Path):
    """A line that begins with "235." is a list to Markdown, and its number is gone."""
    assert {name: gone for name, text, html in pages(site, repo_root) if (gone := lost(text, html))} == {}


def test_a_number_that_is_lost_is_noticed():
    source = "1. one of 3\n2. two\n\n- at most\n  235. A frame of 1,024 bytes\n"
    whole = "<article><ol><li>one of 3</li></ol><li>at most 235. A frame of 1,024 bytes</li></article>"
    assert lost(source, whole) == []
    assert lost(source, whole.replace("235. ", "")) == ["235"]
    assert lost(source, whole.replace("of 3", "")) == ["3"]


def test_no_table_has_an_empty_head(site: Path, repo_root: Path):
    for page in site.rglob("*.html"):
        assert not re.search(r"<th[^>]*>\s*</th>", page.read_text(encoding="utf-8")), page
    for page in [*repo_root.glob("*.md"), *(repo_root / "boards").rglob("*.md")]:
        assert not re.search(r"^(?=.*\| *\|).*\n\|[-| ]+\|$", page.read_text(encoding="utf-8"), re.M), page


def test_the_home_page_leads_on(site: Path):
    """A picture, the two commands, and every part of the menu."""
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "<img" in text
    assert {"make run", "make test"} <= set(re.findall(r"make \w+", shown_on(text)))
    for part in ("tutorial/", "howto/", "reference/", "explanation/", "decisions/"):
        assert f'href="{part}' in text, part


def test_nothing_is_loaded_from_the_web(site: Path):
    """No font, script, style or picture with an address."""
    loads = re.compile(r"<(?:script|img|iframe)\b[^>]*\bsrc=[\"']?(?:https?:)?//|url\([\"']?https?://")
    styles = re.compile(r"<link\b[^>]*rel=[\"']?(?:stylesheet|preconnect)[^>]*href=[\"']?(?:https?:)?//")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not loads.search(text), page
        assert not styles.search(text), page


def test_the_pump_is_in_its_page_or_the_page_says_why_not(site: Path):
    text = (site / "pump.html").read_text(encoding="utf-8")
    if (site / docs_site.LIVE).is_file():
        assert f'<iframe src="{docs_site.LIVE}" title="The pump"' in text
    else:
        assert "This site was built without it: " in text


def test_a_site_without_npm_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    def nothing() -> str:
        raise browser_pump.Unavailable("there is no npm (install Node.js 20 or newer)")

    monkeypatch.setattr(browser_pump, "page", nothing)
    docs_site.live.cache_clear()
    shown = docs_site.shown()
    assert shown == "*This site was built without it: there is no npm (install Node.js 20 or newer).*"
    assert capsys.readouterr().out.count("\n") == 1
    docs_site.live.cache_clear()


def test_the_commands_page_has_every_command(site: Path):
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        for path in [f"{name} {part}" for part in getattr(command, "commands", {})] or [name]:
            assert f"thecal {path}" in text, path


def test_the_step_for_ci_gives_the_action_what_it_takes(repo_root: Path):
    page = (repo_root / "docs" / "howto" / "ci.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (given,) = [step["with"] for step in yaml.safe_load(text) if step["uses"].startswith("./")]
    action = yaml.safe_load((repo_root / "action.yml").read_text(encoding="utf-8"))
    assert given
    assert set(given) <= set(action["inputs"])
