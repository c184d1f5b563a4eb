"""Campaigns: the same runs whatever carries them out, kept as they come, every failure with its replay."""

import dataclasses
import importlib
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thecal import cli
from thecal._io import paths
from thecal.campaigns import base, catalog, command, multi_boot, power_cuts
from thecal.campaigns.base import Campaign, Row, Run, Violated
from thecal.campaigns.cut_pump import SOUND, CutPump
from thecal.campaigns.results import Results
from thecal.campaigns.runner import IN_PROCESS, Runner, run_batch
from thecal.emulator.testbench import PowerCut
from thecal.errors import LinkError, ThecalError

NAME = "power-cuts"


def dice_run(run: Run) -> None:
    """A run that takes no pump: one seed in three breaks a promise, one in seven cannot be carried out."""
    run.details["thrown"] = run.seed % 1000
    run.steps_physical = run.seed % 7
    if run.seed % 3 == 0:
        raise Violated("a promise was broken", "look at it")
    if run.seed % 7 == 0:
        raise LinkError("nothing came back", "see whether it hangs", "silent")


DICE = Campaign("dice", "dice thrown", "throws", {"thrown": "int"}, dice_run)


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """A campaign that is quick, in this process only."""

    def load(name: str) -> Campaign:
        assert name == "dice"
        return DICE

    monkeypatch.setattr(catalog, "load", load)
    return DICE


def gone_through(folder: Path, runs: int, seed: int = 1, *, name: str = "dice", batch: int = 3) -> list[Row]:
    """All rows after all runs, in order."""
    runner = Runner(name, runs, seed, folder, batch=batch)
    runner.take_up(resume=True)
    runner.run(IN_PROCESS, lambda row: None)
    return sorted(runner.rows, key=lambda row: int(row["run"] or 0))


def without_time(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "wall_s"} for row in rows]


@pytest.mark.usefixtures("dice")
def test_parquet_holds_every_run_with_its_columns(tmp_path: Path):
    rows = gone_through(tmp_path, 10)
    table = pq.read_table(tmp_path)
    assert table.num_rows == 10
    assert table.schema.field("run").type == pa.int64()
    assert table.schema.field("seed").type == pa.int64()
    assert table.schema.field("failure").type == pa.string()
    assert table.schema.field("wall_s").type == pa.float64()
    assert table.schema.field("thrown").type == pa.int64()
    assert {"campaign", "outcome", "steps_physical", "steps_accounted", "bound", "version"} <= set(
        table.column_names
    )
    assert sorted(table.column("seed").to_pylist()) == sorted(base.seed_of("dice", 1, i) for i in range(10))
    outcomes = {row["outcome"] for row in rows}
    assert outcomes == {base.PASSED, base.FAILED, base.BROKEN}


@pytest.mark.usefixtures("dice")
def test_the_same_seed_is_the_same_campaign_whatever_the_batches(tmp_path: Path):
    one = gone_through(tmp_path / "one", 12, batch=5)
    other = gone_through(tmp_path / "other", 12, batch=2)
    assert without_time(one) == without_time(other)
    assert without_time(gone_through(tmp_path / "third", 12, seed=2)) != without_time(one)


@pytest.mark.usefixtures("dice")
def test_finished_runs_are_not_made_again(tmp_path: Path):
    first = gone_through(tmp_path, 7)
    runner = Runner("dice", 15, 1, tmp_path, batch=4)
    assert runner.take_up(resume=True) == 7
    made: list[Row] = []
    runner.run(IN_PROCESS, made.append)
    assert [row["run"] for row in made] == list(range(7, 15))
    assert without_time(gone_through(tmp_path, 15))[:7] == without_time(first)


@pytest.mark.usefixtures("dice")
def test_ctrl_c_leaves_what_was_finished(tmp_path: Path):
    runner = Runner("dice", 12, 1, tmp_path, batch=3)
    runner.take_up(resume=False)

    def interrupted(row: Row) -> None:
        if row["run"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(IN_PROCESS, interrupted)
    assert sorted(pq.read_table(tmp_path).column("run").to_pylist()) == list(range(6))
    assert [row["run"] for row in gone_through(tmp_path, 12)] == list(range(12))


@pytest.mark.usefixtures("dice")
def test_results_that_are_there_are_not_touched_unasked(tmp_path: Path):
    gone_through(tmp_path, 3)
    with pytest.raises(ThecalError, match="holds results already; add --resume"):
        Runner("dice", 3, 1, tmp_path).take_up(resume=False)


@pytest.mark.usefixtures("dice")
def test_results_of_another_seed_are_not_mixed(tmp_path: Path):
    gone_through(tmp_path, 3)
    with pytest.raises(ThecalError, match="another campaign or another seed"):
        Runner("dice", 3, 2, tmp_path).take_up(resume=True)


def test_results_of_other_code_are_not_mixed(tmp_path: Path, dice: Campaign, monkeypatch: pytest.MonkeyPatch):
    gone_through(tmp_path, 3)
    monkeypatch.setattr(base, "code_version", lambda: "another")
    with pytest.raises(ThecalError, match=r"3 runs in .* were made with other code"):
        Runner(dice.name, 3, 1, tmp_path).take_up(resume=True)


@pytest.mark.usefixtures("dice")
def test_a_part_that_is_no_parquet_is_named(tmp_path: Path):
    gone_through(tmp_path, 3)
    part = Results(tmp_path, DICE, 1).parts()[0]
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(ThecalError, match=r"part-0000000\.parquet cannot be read"):
        Runner("dice", 3, 1, tmp_path).take_up(resume=True)


@pytest.mark.usefixtures("dice")
def test_every_failure_comes_with_its_replay_and_the_exit_code_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code = command.run("dice", runs=10, seed=1, scheduler=IN_PROCESS, out=tmp_path)
    out = capsys.readouterr().out
    failed = [row for row in Results(tmp_path, DICE, 1).rows() if row["outcome"] != base.PASSED]
    assert code == 1
    assert failed
    for row in failed:
        assert f"run {row['run']} {row['outcome']}: {row['failure']}" in out
        assert f"thecal campaign dice --replay {row['seed']}\n" in out
        assert command.replay("dice", int(row["seed"] or 0)) == 1
        assert str(row["failure"]) in capsys.readouterr().out
    assert f"10 of 10 throws, {len(failed)} failures" in out


@pytest.mark.usefixtures("dice")
def test_json_tells_every_failure_with_its_replay(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    words = ["campaign", "dice", "--runs", "40", "--scheduler", IN_PROCESS, "--out", str(tmp_path), "--json"]
    assert cli.run(words) == 1
    told = capfd.readouterr()
    document = json.loads(told.out)
    assert told.err == ""
    rows = sorted(Results(tmp_path, DICE, 1).rows(), key=lambda row: int(row["run"] or 0))
    failed = [row for row in rows if row["outcome"] != base.PASSED]
    assert len(failed) > 10
    assert [(row["run"], row["seed"], row["outcome"], row["failure"]) for row in failed] == [
        (found["run"], found["seed"], found["outcome"], found["failure"]) for found in document["failures"]
    ]
    assert (document["schema"], document["campaign"], document["seed"]) == (1, "dice", 1)
    assert (document["runs"], document["finished"], document["finished_before"]) == (40, 40, 0)
    assert document["folder"] == str(tmp_path)

    replayed = shlex.split(document["failures"][0]["replay"])
    assert replayed[0] == "thecal"
    assert cli.run([*replayed[1:], "--json"]) == 1
    again = json.loads(capfd.readouterr().out)
    assert (again["seed"], again["failure"]) == (failed[0]["seed"], failed[0]["failure"])

    assert cli.run([*words[:3], "41", *words[4:]]) == 1  # not without --resume
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "holds results already" in told.err


@pytest.mark.usefixtures("dice")
def test_a_folder_that_cannot_be_written_is_told_before_the_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "out"
    words = ["campaign", "dice", "--runs", "3", "--scheduler", IN_PROCESS, "--out"]
    assert cli.run([*words, str(folder)]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"{folder} cannot be written: Not a directory; name another folder with --out")
    assert told.out == ""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    assert cli.run([*words, str(tmp_path / "out")]) == 1
    assert "cannot be written: No space left on device" in capsys.readouterr().err


def test_success_is_exit_code_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kind = dataclasses.replace(DICE, carry_out=lambda run: None)
    monkeypatch.setattr(catalog, "load", lambda name: kind)
    assert command.run("dice", runs=3, seed=1, scheduler=IN_PROCESS, out=tmp_path) == 0


def test_wrong_usage_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert cli.run(["campaign", "nothing"]) == 1
    said = capsys.readouterr().err
    assert said == "there is no campaign 'nothing'; the campaigns are: faults, power-cuts\n"


def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("thecal.campaigns.runner._CONNECT_S", 0.5)
    with pytest.raises(ThecalError, match=r"no dask scheduler at tcp://127\.0\.0\.1:1"):
        command.run(NAME, runs=2, scheduler="tcp://127.0.0.1:1", out=tmp_path)


@pytest.mark.usefixtures("dice")
@pytest.mark.req("HOST-19", part="two campaigns in one folder")
def test_a_folder_is_one_campaigns(tmp_path: Path):
    gone_through(tmp_path, 3)
    first = Runner("dice", 20, 1, tmp_path)
    assert first.take_up(resume=True) == 3
    child = os.fork()  # another process, such as another terminal
    if child == 0:
        try:
            Runner("dice", 20, 1, tmp_path).take_up(resume=True)
        except ThecalError as error:
            os._exit(7 if str(error).startswith(f"another campaign is at work in {tmp_path}; ") else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    first.run(IN_PROCESS, lambda row: None)
    second = Runner("dice", 20, 1, tmp_path)
    assert second.take_up(resume=True) == 20
    assert sorted(int(row["run"] or 0) for row in second.rows) == list(range(20))  # each once


@pytest.mark.req("HOST-19", part="a scheduler that nobody works for")
def test_a_scheduler_without_a_worker_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("thecal.campaigns.runner._WORKERS_S", 0.3)
    monkeypatch.setattr("thecal.campaigns.runner._ASK_EVERY_S", 0.05)
    distributed: Any = importlib.import_module("distributed")
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(ThecalError, match=r"has had no worker for 0\.3 s; start one with: dask worker"),
    ):
        command.run(NAME, runs=2, scheduler=cluster.scheduler_address, out=tmp_path)
    assert f"no dask worker at {cluster.scheduler_address}: waiting 0.3 s" in capsys.readouterr().err
    Runner(NAME, 2, 1, tmp_path).take_up(resume=True)  # nobody has the folder any more


# --- power cuts, on real pumps ---


@pytest.fixture(scope="module")
def four_cuts(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Made by a local cluster over all cores."""
    runner = Runner(NAME, 4, 3, tmp_path_factory.mktemp("cluster"), batch=2)
    runner.take_up(resume=False)
    runner.run("", lambda row: None)
    return sorted(runner.rows, key=lambda row: int(row["run"] or 0))


@pytest.mark.req("INT-06", part="power cuts at random flash operations of a random piece of therapy")
def test_power_cuts_on_a_local_cluster(four_cuts: list[Row]):
    assert [row["failure"] for row in four_cuts] == [""] * 4
    assert [row["run"] for row in four_cuts] == list(range(4))
    for row in four_cuts:
        physical, accounted, bound = row["steps_physical"], row["steps_accounted"], row["bound"]
        assert isinstance(physical, int)
        assert isinstance(accounted, int)
        assert isinstance(bound, int)
        assert physical <= accounted <= physical + bound
        assert row["cut_when"] in ("before", "torn", "after", "idle")
        assert row["during"]


def repeatable(rows: list[Row]) -> list[Row]:
    """Where the flash takes its time, an instant may depend on when the bytes of a request came."""
    return [row for row in rows if row["flash"] != "busy"]


def test_a_run_is_the_same_in_another_process(four_cuts: list[Row]):
    rows = repeatable(four_cuts)
    assert len(rows) >= 2
    batch = [(int(row["run"] or 0), int(row["seed"] or 0)) for row in rows]
    assert without_time(run_batch(NAME, batch)) == without_time(rows)


def test_a_life_is_the_same_in_a_process_of_its_own(four_cuts: list[Row]):
    """What a replay makes: no life shares a process with another, and all comes out the same."""
    campaign_ = catalog.load(NAME)
    for row in repeatable(four_cuts)[:2]:
        again = base.run_once(campaign_, int(row["run"] or 0), int(row["seed"] or 0), whole=True)
        assert without_time([again]) == without_time([row])


def test_the_cuts_are_counted(four_cuts: list[Row]):
    assert [row["cuts"] for row in four_cuts] == [power_cuts.CUTS] * 4


@pytest.fixture
def firmware_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str, str], None]]:
    """Run pumps on a copy of the firmware in which a text is replaced."""
    root = paths.project_root()
    home = tmp_path / "home"
    for folder in ("firmware", "protocol", "boards"):
        shutil.copytree(root / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("THECAL_HOME", str(home))

    def change(file: str, old: str, new: str) -> None:
        path = home / "firmware" / "pump" / file
        text = path.read_text()
        assert text.count(old) == 1, f"the firmware no longer says {old!r}"
        path.write_text(text.replace(old, new))

    _forget()
    yield change
    _forget()


def _forget() -> None:
    """What this process knows of the firmware that it ran."""
    power_cuts.prepared.cache_clear()
    multi_boot.shared().close()
    base.code_version.cache_clear()


@pytest.mark.parametrize("whole", [False, True])
def test_a_pump_that_is_dead_is_not_waited_for(tmp_path: Path, whole: bool):
    """The bench is told of its end amid a press of the button, and the line is then asked to take back what
    waits for that press: it says at once that nobody is there, and not after a minute that nobody answers."""
    with CutPump(tmp_path, None, seed=1, flash=SOUND, whole=whole) as pump:
        pump.boot(0, None, memory=False)
        pump.cut_now()
        with pytest.raises(PowerCut):
            pump.client.abort()


def test_a_ledger_that_lags_behind_is_found_and_replayed(
    firmware_with: Callable[[str, str, str], None], capsys: pytest.CaptureFixture[str]
):
    """The deliberately broken promise: steps go on record when they are made, not before."""
    firmware_with(
        "records/state.py",
        "steps = delivery.count.base + permit\n",
        "steps = delivery.count.base + delivery.motor.executed()\n",
    )
    rows = run_batch(NAME, [(number, base.seed_of(NAME, 1, number)) for number in range(4)])
    failed = [row for row in rows if "under-reported: the ledger says" in str(row["failure"])]
    assert failed
    assert command.replay(NAME, int(failed[0]["seed"] or 0)) == 1
    told = capsys.readouterr().out
    assert f"failure: {failed[0]['failure']}" in told
    assert f"version: {failed[0]['version']}" in told
