"""What stands in the page's folder as others published it is just that, with its licence."""

import hashlib
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "host_tools" / "thecal" / "web" / "static"
PUBLISHED = {  # of uPlot 1.6.32, npm package `uplot`: dist/uPlot.iife.min.js, dist/uPlot.min.css
    "uPlot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_is_what_was_published(name: str):
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == PUBLISHED[name]
    assert "Permission is hereby granted" in (STATIC / "uPlot.LICENSE").read_text()
