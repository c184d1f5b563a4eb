"""docs/reference/files.md says what the modules say."""

import files_page


def test_the_page_is_current():
    assert files_page.PAGE.read_text(encoding="utf-8") == files_page.written()
    assert files_page.main(["--check"]) == 0


def test_every_module_says_what_it_is():
    rows = [line for line in files_page.written().splitlines() if line.startswith("| `")]
    assert len(rows) > 250
    assert [row for row in rows if row.endswith("| |")] == []
