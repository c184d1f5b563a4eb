"""The same of what stands beside `Pump`: an emulated pump and its bench, `simulate`, the store."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host.api.test_wrong_arguments import WRONG, lines_of
from thecal import Emulator
from thecal.emulator.bench import PumpBench
from thecal.emulator.flash_file import flip_flash_bit
from thecal.errors import WrongArgument
from thecal.history.database import Store
from thecal.simulation.simulate import simulate

RIGHT: dict[str, Any] = {
    "duration": "1 s",
    "duration_us": 1000,
    "to_us": 10,
    "percent": 50,
    "for_us": 1000,
    "picolitres": 1_000_000,
    "what": "link_noise",
    "offset": 0,
    "bit": 0,
    "value": 0,
    "block": 0,
    "fails": False,
    "which": "upstream",
    "pa": 100,
    "how": "broken",
    "num": 1,
    "den": 1,
    "one_in": 0,
    "millicelsius": 37_000,
    "line": b'{"do":"truth"}',
    "path": None,
    "name": "link-keys",
}
ENDS = (  # the pump; or wait for what does
    "attach",
    "boot_again",
    "cut_power",
    "how_it_ended",
    "inject",
    "power_cut",
    "power_cut_at_flash_operation",
    "quit",
)
FEW = [value for value in WRONG if value not in (0, 1 << 40) or isinstance(value, bool)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of what is wrong is a good name for a file."""
    monkeypatch.chdir(tmp_path)


def all_lines(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        assert lines_of(call) == 1


@pytest.mark.req("HOST-20", part="an emulated pump and its bench")
def test_the_bench(emulator: Emulator):
    bench = emulator.bench
    for name, method in inspect.getmembers(PumpBench, inspect.isfunction):
        if name.startswith("_") or name in ENDS:
            continue
        found = [p for p in inspect.signature(method).parameters.values() if p.kind != p.VAR_KEYWORD][1:]
        needed = {p.name: RIGHT[p.name] for p in found if p.default is p.empty}
        for word in [p.name for p in found if p.name not in ("timeout_s", "progress", "locked")]:
            for wrong in FEW:
                given = {**needed, word: wrong}
                assert lines_of(lambda given=given, name=name: getattr(bench, name)(**given)) == 1, given
    for wrong in FEW:
        all_lines(
            [
                lambda wrong=wrong: bench.inject(wrong),
                lambda wrong=wrong: bench.inject("motor_stall", lasting=wrong),
                lambda wrong=wrong: bench.inject("temperature", celsius=wrong),
                lambda wrong=wrong: emulator.key(wrong),
            ]
        )
    for wrong in (5, "x", [], b"x"):
        with pytest.raises(WrongArgument):
            emulator.restart(wrong)  # pyright: ignore[reportArgumentType]
        with pytest.raises(WrongArgument):
            emulator.restart_after(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(WrongArgument, match="nothing that a bench returned"):
        emulator.restart(world=object())
    assert bench.now() > 0  # it runs


@pytest.mark.req("HOST-20", part="the store, simulate")
def test_the_store(tmp_path: Path):
    place = tmp_path / "s.sqlite"
    with Store.open(place) as store:
        for wrong in FEW:
            all_lines(
                [
                    lambda wrong=wrong: Store.open(wrong).close(),
                    lambda wrong=wrong: Store.open(place, busy_s=wrong).close(),
                    lambda wrong=wrong: store.add_pump(wrong, wrong),
                    lambda wrong=wrong: store.add_session("P", wrong),
                    lambda wrong=wrong: store.add_session("P", {"command": wrong}),
                    lambda wrong=wrong: store.add_program("P", b"x", wrong, 1),
                    lambda wrong=wrong: store.add_program("P", b"x", {"name": wrong}, wrong),
                    lambda wrong=wrong: store.add_residual("P", {"at_us": wrong}),
                    lambda wrong=wrong: store.add_log("P", wrong),
                    lambda wrong=wrong: store.add_log("P", [wrong]),
                    lambda wrong=wrong: store.add_log(wrong, [(wrong,) * 10]),
                    lambda wrong=wrong: store.last_record(wrong),
                    lambda wrong=wrong: simulate(wrong),
                ]
            )


def test_a_bit_that_no_flash_has(tmp_path: Path):
    flash = tmp_path / "flash"
    flash.write_bytes(bytes(8))
    for offset, bit in ((8, 0), (-1, 0), (0, 8), (0, -1)):
        with pytest.raises(WrongArgument, match="has no bit"):
            flip_flash_bit(flash, offset, bit)
    assert flash.read_bytes() == bytes(8)
