"""The table of fields in docs/reference/therapy-files.md, from the fields of `thecal.therapy.models`.

python tools/generate/therapy_fields.py            write the table
python tools/generate/therapy_fields.py --check    exit code 1 when the table is out of date
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "host_tools"), str(ROOT / "protocol")]

from pages import write_or_check  # noqa: E402 -- after the path
from thecal.therapy import models  # noqa: E402 -- after the path
from thecal.therapy.fields import Reader  # noqa: E402 -- after the path
from thecal.units.amounts import ALL_DAYS  # noqa: E402 -- after the path

PAGE = ROOT / "docs" / "reference" / "therapy-files.md"
BEGIN = "<!-- fields: written by tools/generate/therapy_fields.py -->\n"
END = "<!-- end of the fields -->\n"
HEAD = "\n| field | for example | lowest | highest | default |\n| --- | --- | --- | --- | --- |\n"


def _rows(section: type[models.Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        path = prefix + (field.alias or name)
        for part in (*field.metadata, *models.parts_of(field.annotation)):
            if isinstance(part, Reader):
                yield f"| `{path}` | {_bounds(part)} | {_default(field, part)} |\n"
            elif isinstance(part, type) and issubclass(part, models.Section):
                named = f"{path}.NAME." if models.is_by_name(field.annotation) else f"{path}."
                yield from _rows(part, named)


def _bounds(reader: Reader) -> str:
    allowed = reader.allowed
    low, high = (reader.text(allowed.low), reader.text(allowed.high)) if allowed else ("", "")
    return f"`{reader.example}` | {low} | {high}"


def _default(field: Any, reader: Reader) -> str:
    if field.is_required():
        return "has to be there"
    if field.default is None:
        return "none"
    if field.default == ALL_DAYS and reader.allowed is None:
        return "every day"
    return reader.text(field.default)


def written() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} does not hold the lines {BEGIN.strip()} and {END.strip()}; put them back")
    return before + BEGIN + HEAD + "".join(_rows(models.Therapy, "")) + "\n" + END + after


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code."""
    return write_or_check(PAGE, written(), arguments, "generate/therapy_fields")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
