"""Files are read again as soon as one of them has changed."""

import shutil
import time
from pathlib import Path

import pytest

from thecal.firmware_build import unchanged

LATER_NS = 5_000_000_000


class Counted:
    """What a file holds, and how often it was read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reads = 0
        self._ask = unchanged.reader(self._read)

    def _read(self, root: Path) -> str:
        self.reads += 1
        return "".join(file.read_text() for file in sorted(root.rglob("*.py")))

    def now(self) -> str:
        return self._ask(self.root, ("code",))


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "deep" / "a.py").write_text("1")
    return Counted(tmp_path)


def test_what_changed_a_moment_ago_is_always_read(counted: Counted):
    for number in range(1, 5):
        (counted.root / "code" / "deep" / "a.py").write_text(str(number))
        assert counted.now() == str(number)
        assert counted.reads == number


def test_what_has_settled_is_read_once_until_it_changes(counted: Counted, monkeypatch: pytest.MonkeyPatch):
    real = time.time_ns
    monkeypatch.setattr(unchanged.time, "time_ns", lambda: real() + LATER_NS)
    file = counted.root / "code" / "deep" / "a.py"
    assert [counted.now() for _ in range(3)] == ["1"] * 3
    assert counted.reads == 1
    state = file.stat()
    other = file.with_name("other")
    other.write_text("2")
    shutil.copystat(file, other)
    other.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert counted.now() == "2"
    file.with_name("b.py").write_text("3")
    assert counted.now() == "23"
    file.unlink()
    assert counted.now() == "3"
