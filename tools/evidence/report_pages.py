"""Draw the report of five courses, to be looked at: HTML, PDF, and pictures of both where the tools are here.

    .venv/bin/python tools/evidence/report_pages.py [FOLDER] [COURSE...]

The courses are those of `tests/support/report_courses.py`. Pictures are made with `chromium` (1280 and 360
pixels wide) and `pdftoppm`, also in grey: a clinician reads them on paper and on a phone.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MADE = datetime(2026, 4, 1, 10, 0)
WIDTHS = (1280, 360)


def main(arguments: list[str]) -> None:
    """All courses, or those named, into build/report-pages or the folder named."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support import report_courses
    from thecal.report import command

    folder = Path(arguments[0]) if arguments else ROOT / "build" / "report-pages"
    for name in arguments[1:] or report_courses.COURSES:
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        kept = place / "record.pickle"  # to draw again what was simulated
        if kept.exists():
            record, key = pickle.loads(kept.read_bytes())
        else:
            record, key = report_courses.record(name, place)
            kept.write_bytes(pickle.dumps((record, key)))
        html, pdf = place / "report.html", place / "report.pdf"
        command.write(record, key, command.Wanted(html, pdf), MADE)
        print(html, pdf)
        draw(html, pdf)


def draw(html: Path, pdf: Path) -> None:
    """Pictures beside the files."""
    from PIL import Image

    if shutil.which("pdftoppm"):
        subprocess.run(["pdftoppm", "-r", "80", "-png", pdf, pdf.with_name("page")], check=True)
    if shutil.which("chromium"):
        for width in WIDTHS:
            out = html.with_name(f"screen-{width}.png")
            size = f"--window-size={width},{9000 if width < 500 else 5200}"
            words = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", size]
            subprocess.run([*words, f"--screenshot={out}", html.as_uri()], check=True, capture_output=True)
    for picture in (*pdf.parent.glob("page-*.png"), *pdf.parent.glob("screen-*.png")):
        if "grey" not in picture.name:
            Image.open(picture).convert("L").save(picture.with_name(f"grey-{picture.name}"))


if __name__ == "__main__":
    main(sys.argv[1:])
