"""The fixtures of conftest keep their promises: both MicroPythons run our firmware, failures are loud."""

import os
import tempfile
from pathlib import Path

import pytest
from _pytest.outcomes import Failed
from hypothesis import given, settings
from hypothesis import strategies as st

HEAP_LOCKED = """
import micropython
a = {a}
micropython.heap_lock()
try:
    a + a
    print("fits")
except MemoryError:
    print("does not fit")
micropython.heap_unlock()
"""


def test_repo_root_is_the_project(repo_root):
    assert (repo_root / "pyproject.toml").is_file()
    assert (repo_root / "protocol" / "thecal_protocol").is_dir()


def test_micropython_is_the_unix_port_of_this_environment(run_micropython):
    run = run_micropython("import sys; print(sys.implementation[0], sys.maxsize > 2**31)")
    assert run.stdout.split() == ["micropython", "True"]


@pytest.mark.parametrize("runner", ["run_micropython", "run_wasm"])
def test_both_import_the_firmware(request, runner):
    run = request.getfixturevalue(runner)(
        "import thecal_protocol.messages; print(thecal_protocol.messages.PROTOCOL_VERSION)"
    )
    assert int(run.stdout) >= 1


@pytest.mark.parametrize("runner", ["run_micropython", "run_wasm"])
def test_arguments_arrive(request, runner):
    run = request.getfixturevalue(runner)("import sys; print(sys.argv[1:])", "seed=1", "a b")
    assert run.stdout.strip() == "['seed=1', 'a b']"


@pytest.mark.parametrize("runner", ["run_micropython", "run_wasm"])
def test_a_file_runs_as_it_stands(request, runner, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("print('hello from a file')")
    assert request.getfixturevalue(runner)(file).stdout == "hello from a file\n"


@pytest.mark.parametrize("runner", ["run_micropython", "run_wasm"])
def test_a_raise_fails_the_test_and_shows_what_was_said(request, runner):
    with pytest.raises(Failed) as failed:
        request.getfixturevalue(runner)("print('so far')\nraise ValueError('too far')")
    assert "so far" in str(failed.value)
    assert "ValueError: too far" in str(failed.value)


@pytest.mark.parametrize("runner", ["run_micropython", "run_wasm"])
def test_an_exit_code_other_than_zero_fails_the_test(request, runner):
    run = request.getfixturevalue(runner)
    with pytest.raises(Failed):
        run("raise SystemExit(3)")
    assert run("raise SystemExit(3)", check=False).returncode != 0
    assert run("print('done')\nraise SystemExit").stdout == "done\n"


@pytest.mark.parametrize(
    ("runner", "small_bits"), [("run_micropython", 63), ("run_wasm", 31)], ids=["unix", "wasm"]
)
def test_small_integers_have_as_many_bits_as_promised(request, runner, small_bits):
    """2^(bits-2) is small, twice that is not: it needs the heap, which is locked."""
    run = request.getfixturevalue(runner)
    fits, too_large = 1 << (small_bits - 3), 1 << (small_bits - 2)
    assert run(HEAP_LOCKED.format(a=fits)).stdout.strip() == "fits"
    assert run(HEAP_LOCKED.format(a=too_large)).stdout.strip() == "does not fit"


def test_wasm_has_fuel_for_long_work(run_wasm):
    """The package's own limits, a second and 20 million instructions, would end this."""
    run = run_wasm("n = 0\nwhile n < 4000000:\n    n += 1\nprint(n)")
    assert run.stdout.strip() == "4000000"


def test_wasm_code_cannot_write_to_the_firmware(run_wasm, repo_root):
    run_wasm("open('/input/stray.py', 'w').close()")
    assert not (repo_root / "firmware" / "stray.py").exists()


def test_temporary_files_are_private(tmp_path, run_micropython):
    assert Path(tempfile.mkdtemp()).is_relative_to(tmp_path)
    assert Path(os.environ["TMPDIR"]).is_relative_to(tmp_path)


@settings(max_examples=3)
@given(number=st.integers(0, 2**31))
def test_the_run_fixtures_serve_hypothesis(run_micropython, number):
    assert run_micropython(f"print({number} + 1)").stdout == f"{number + 1}\n"
