"""What was made for the chip before comes from a cache; what is damaged is worked out again."""

from pathlib import Path

import pytest

from thecal.firmware_build import cache


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return []


def once(calls: list[str], *sources: object):
    def make():
        calls.append("made")
        return {"main": b"\0\xff"}

    return cache.remembered(sources, make)


def test_the_same_is_worked_out_once(calls: list[str]):
    assert once(calls, {"a": "x = 1"}) == once(calls, {"a": "x = 1"}) == {"main": b"\0\xff"}
    assert len(calls) == 1


def test_whatever_goes_in_counts(calls: list[str]):
    once(calls, {"a": "x = 1"})
    once(calls, {"a": "x = 2"})
    once(calls, {"b": "x = 1"})
    once(calls, {"a": "x = 1"}, "other")
    once(calls, {"a": "x = 1"}, ["x"])
    assert len(calls) == 5


@pytest.mark.parametrize("damage", ["", "[]", '{"main": 1}', '{"main": "no base64"}', "\0", '{"main": "x'])
def test_a_damaged_file_is_worked_out_again(calls: list[str], tmp_path: Path, damage: str):
    once(calls, {"a": "x = 1"})
    (file,) = (tmp_path / "thecal" / "chip").iterdir()
    file.write_text(damage)
    assert once(calls, {"a": "x = 1"}) == {"main": b"\0\xff"}
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_is_done_without(calls: list[str], tmp_path: Path):
    (tmp_path / "thecal").write_text("no folder")
    assert once(calls, {"a": "x = 1"}) == once(calls, {"a": "x = 1"})
    assert len(calls) == 2


def test_the_cache_stays_small(calls: list[str], tmp_path: Path):
    for number in range(cache.KEPT + 5):
        once(calls, {"a": str(number)})
    assert len(list((tmp_path / "thecal" / "chip").iterdir())) == cache.KEPT
