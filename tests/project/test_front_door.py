"""What a newcomer's editor and a forge read: it parses, and says what the project's own tools say."""

import configparser
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from project.docs.test_docs import make_targets

FORMS = ["1-bug", "2-idea", "3-safety"]
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def workflows(root: Path) -> list[Path]:
    return sorted((root / ".github" / "workflows").glob("*.yml"))


def test_every_yaml_parses(repo_root: Path):
    files = [*(repo_root / ".github").rglob("*.y*ml"), repo_root / ".pre-commit-config.yaml"]
    assert len(files) >= 7
    assert all(isinstance(read(file), dict) for file in files)


def test_the_workflow_of_every_push_is_ci_run(repo_root: Path):
    flow = read(repo_root / ".github" / "workflows" / "ci.yml")
    assert set(flow[True]) == {"push", "pull_request"}  # YAML 1.1 reads `on` as true
    [job] = flow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (repo_root / ".ci" / "run").stat().st_mode & 0o111


def test_the_nightly_workflow_is_the_soak(repo_root: Path):
    flow = read(repo_root / ".github" / "workflows" / "nightly.yml")
    assert "schedule" in flow[True]
    [command] = [step["run"] for job in flow["jobs"].values() for step in job["steps"] if "run" in step]
    assert command.startswith("make soak ")


def test_workflows_run_what_there_is_and_may_only_read(repo_root: Path):
    known = make_targets(repo_root)
    for file in workflows(repo_root):
        flow = read(file)
        assert flow["permissions"] == {"contents": "read"}, file.name
        for job in flow["jobs"].values():
            assert job["timeout-minutes"] <= 360
            for step in job["steps"]:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) if "uses" in step else step["run"]
                if step.get("run", "").startswith("make "):
                    assert " ".join(step["run"].split()[:2]) in known


@pytest.mark.parametrize("name", FORMS)
def test_issue_forms(repo_root: Path, name: str):
    form = read(repo_root / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert set(form) == {"name", "description", "labels", "body"}
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert {part["type"] for part in form["body"]} <= KINDS
    ids = [part["id"] for part in fields]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+", one) for one in ids)
    assert all(part["attributes"]["label"] for part in fields)
    assert sum(bool(part.get("validations", {}).get("required")) for part in fields) >= 2
    for part in form["body"]:
        if part["type"] == "markdown":
            assert part["attributes"]["value"].strip()
        if part["type"] in ("dropdown", "checkboxes"):
            assert len(part["attributes"]["options"]) >= 1


def test_there_are_no_other_forms(repo_root: Path):
    found = {file.stem for file in (repo_root / ".github" / "ISSUE_TEMPLATE").iterdir()}
    assert found == {*FORMS, "config"}


def test_the_form_about_safety_sends_attacks_and_patients_elsewhere(repo_root: Path):
    text = (repo_root / ".github" / "ISSUE_TEMPLATE" / "3-safety.yml").read_text(encoding="utf-8")
    for said in (
        "not a medical device",
        "SECURITY.md",
        "docs/explanation/safety.md",
        "docs/reference/requirements.md",
    ):
        assert said in text
    assert (repo_root / "SECURITY.md").is_file()


def test_the_security_policy(repo_root: Path):
    text = (repo_root / "SECURITY.md").read_text(encoding="utf-8")
    for said in (
        "not a medical device",
        "(docs/reference/security.md)",
        "## How to report",
        "## Which versions",
    ):
        assert said in text


def test_the_pull_request_form_asks_for_what_a_review_wants(repo_root: Path):
    text = (repo_root / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
    for said in ("CONTRIBUTING.md", "docs/reference/requirements.md", "removal", "changes/", ".ci/run"):
        assert said in text


# --- hooks and editors ---


def test_hooks_run_the_projects_own_tools_and_fetch_nothing(repo_root: Path):
    config = read(repo_root / ".pre-commit-config.yaml")
    [repo] = config["repos"]
    assert repo["repo"] == "local"
    lint = (repo_root / "tools" / "lint.sh").read_text()
    for hook in repo["hooks"]:
        assert hook["language"] == "system"
        first, *rest = hook["entry"].split()
        if first == "make":
            assert hook["entry"] in make_targets(repo_root)
        elif first == ".venv/bin/python":
            assert (repo_root / rest[0]).is_file()
            assert " ".join(rest) in lint
        else:
            assert first.removeprefix(".venv/bin/") in ("ruff",)
            assert " ".join(rest) in lint


def test_the_editors_lines_are_as_long_as_the_formatters(repo_root: Path):
    text = (repo_root / ".editorconfig").read_text()
    parsed = configparser.ConfigParser()
    parsed.read_string("[top]\n" + text)
    assert parsed["top"]["root"] == "true"
    ruff = tomllib.loads((repo_root / "pyproject.toml").read_text())["tool"]["ruff"]
    assert parsed["*.py"]["max_line_length"] == str(ruff["line-length"])
    assert parsed["Makefile"]["indent_style"] == "tab"


def test_files_are_as_the_editor_would_leave_them(repo_root: Path):
    """UTF-8, one kind of line end, a newline at the end, no blanks at the end of a line."""
    listed = subprocess.run(["git", "ls-files"], cwd=repo_root, capture_output=True, text=True, check=True)
    bad: list[str] = []
    for name in listed.stdout.splitlines():
        if Path(name).name.startswith("uPlot."):  # as others published it: tests/host/web/test_published.py
            continue
        path = repo_root / name
        if not path.is_file() or b"\0" in (data := path.read_bytes()) or not data:
            continue
        blanks = any(line != line.rstrip() for line in data.decode("utf-8").split("\n"))
        if b"\r" in data or not data.endswith(b"\n") or blanks:
            bad.append(name)
    assert bad == []
