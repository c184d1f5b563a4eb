"""The traceability page lists every marker and what no test proves; wrong markers are found."""

from pathlib import Path

import pytest

import traceability

REQUIREMENTS = """# Requirements

Words before the list, with - **no** item.

## Delivery (DEL)

- **DEL-01** Steps follow the exact volume,
  over two lines. [thecal]
- **DEL-02** The mean flow is right. [GIP 1.2.1*]

## Bolus (BOL)

- **BOL-01** A bolus adds to the basal rate. [GIP 1.4.3-4]
- **BOL-02** A request within the lockout gives nothing. [OPCA EC1]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with four requirements and no test."""
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "docs/reference/requirements.md").write_text(REQUIREMENTS)
    return tmp_path


def write(tree: Path, *lines: str) -> None:
    (tree / "tests/test_part.py").write_text("import pytest\n" + "\n".join(lines) + "\n")


def page_of(tree: Path) -> str:
    assert traceability.main([str(tree)]) == 0
    return (tree / "docs/reference/traceability.md").read_text()


def section(page: str, title: str) -> str:
    return page.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_covered_and_not_yet_covered(tree):
    write(tree, "@pytest.mark.req('DEL-01', 'BOL-01')", "def test_steps(): pass")
    page = page_of(tree)
    assert "Of 4 requirements: 2 covered, 0 covered in part, 2 not yet covered." in page
    missing = section(page, "Not yet covered")
    assert "**DEL-02** The mean flow is right." in missing
    assert "**BOL-02**" in missing
    assert "DEL-01" not in missing
    delivery = section(page, "Delivery (DEL)")
    assert (
        "**DEL-01** Steps follow the exact volume, over two lines.\n\n- `tests/test_part.py::test_steps`"
        in delivery
    )
    assert "DEL-02" not in delivery


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (("class TestA:", "    @pytest.mark.req('DEL-01')", "    def test_b(self): pass"), "::TestA::test_b"),
        (("@pytest.mark.req('DEL-01')", "class TestA:", "    def test_b(self): pass"), "::TestA"),
        (("pytestmark = pytest.mark.req('DEL-01')", "def test_a(): pass"), ""),
        (("pytestmark = [pytest.mark.slow, pytest.mark.req('DEL-01')]",), ""),
        (("TestRules.pytestmark = [pytest.mark.req('DEL-01')]",), "::TestRules"),
        (("@pytest.mark.req('DEL-01')", "async def test_a(): pass"), "::test_a"),
        (
            (
                "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.req('DEL-01'))])",
                "def test_a(x): pass",
            ),
            "::test_a",
        ),
    ],
)
def test_a_marker_counts_wherever_pytest_takes_one(tree, lines, name):
    write(tree, *lines)
    assert f"- `tests/test_part.py{name}`\n" in section(page_of(tree), "Delivery (DEL)") + "\n"


def test_a_part_is_not_the_whole(tree):
    write(tree, "@pytest.mark.req('DEL-01', part='constant rates')", "def test_a(): pass")
    page = page_of(tree)
    assert "0 covered, 1 covered in part, 3 not yet covered" in page
    assert "- `tests/test_part.py::test_a` (in part: constant rates)" in page


@pytest.mark.parametrize("mark", ["skip", "skipif(True, reason='later')", "xfail"])
def test_what_does_not_run_proves_nothing(tree, mark):
    write(tree, "@pytest.mark.req('DEL-01')", f"@pytest.mark.{mark}", "def test_a(): pass")
    page = page_of(tree)
    assert "0 covered, 0 covered in part, 4 not yet covered" in page
    assert "**DEL-01**" in section(page, "Not yet covered")
    assert "`tests/test_part.py::test_a` (skipped or expected to fail: proves nothing)" in page


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (("@pytest.mark.req('DEL-99')", "def test_a(): pass"), 2, "no requirement DEL-99"),
        (("", "@pytest.mark.req(DEL)", "def test_a(): pass"), 3, "plain strings"),
        (("@pytest.mark.req()", "def test_a(): pass"), 2, "plain strings"),
        (("@pytest.mark.req('DEL-01', only='a part')", "def test_a(): pass"), 2, None),
        (("@pytest.mark.req('DEL-01')", "def helper(): pass"), 2, "helper is no test"),
        (("proves = pytest.mark.req('DEL-01')",), 2, "marker in a variable"),
        (("register(pytest.mark.req('DEL-01'))",), 2, "marker here is not seen"),
    ],
)
def test_a_wrong_marker_is_found(tree, capsys, lines, line, words):
    write(tree, *lines)
    assert traceability.main([str(tree)]) == 1
    out = capsys.readouterr().out
    assert f"tests/test_part.py:{line}: marker: " in out
    assert words is None or words in out


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("- **DEL-01** The same number again. [thecal]", "DEL-01 stands here twice"),
        ("- **DEL-3** A number too short. [thecal]", "not '- **ABC-01** statement [source]'"),
        ("- **DEL-03** No source.", "not '- **ABC-01** statement [source]'"),
    ],
)
def test_a_wrong_requirement_is_found(tree, capsys, item, words):
    (tree / "docs/reference/requirements.md").write_text(f"{REQUIREMENTS}{item}\n")
    write(tree, "def test_a(): pass")
    assert traceability.main([str(tree)]) == 1
    assert (
        f"docs/reference/requirements.md:{REQUIREMENTS.count(chr(10)) + 1}: requirement: {words}"
        in capsys.readouterr().out
    )


def test_check_fails_when_the_page_is_stale_and_writes_nothing(tree, capsys):
    write(tree, "@pytest.mark.req('DEL-01')", "def test_a(): pass")
    assert traceability.main(["--check", str(tree)]) == 1
    assert not (tree / "docs/reference/traceability.md").exists()
    old = page_of(tree)
    assert traceability.main(["--check", str(tree)]) == 0
    write(tree, "@pytest.mark.req('DEL-02')", "def test_a(): pass")
    capsys.readouterr()
    assert traceability.main(["--check", str(tree)]) == 1
    assert "docs/reference/traceability.md:1: stale: " in capsys.readouterr().out
    assert (tree / "docs/reference/traceability.md").read_text() == old
