"""Mutated files, for each reader: it takes one, or says in one line why not; soon, and small.

`THECAL_SOAK=1 pytest -k "mutated and flow"` is the long run of one reader, 100,000 inputs.
"""

import os
import random
from pathlib import Path

import pytest

from host.outside.mutations import mutated, packed
from host.outside.readers import READERS, good_files, refusal
from host.outside.test_shown import OBEYED
from support.bounded import bounded

TOGETHER = 20
RUNS = 100_000 if os.environ.get("THECAL_SOAK") else 300


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good file for each reader, which it takes."""
    return good_files(lambda: tmp_path_factory.mktemp("good"))


@pytest.mark.req("HOST-24", part="mutated files")
@pytest.mark.parametrize("name", READERS)
@pytest.mark.timeout(7200)
def test_mutated_files(name: str, good: dict[str, Path], tmp_path: Path):
    data = good[name].read_bytes()
    path = tmp_path / good[name].name
    path.touch(0o600)
    refused = 0
    for first in range(0, RUNS, TOGETHER):  # to look at the memory costs more than most inputs do
        with bounded((name, first), cpu=True):
            for seed in range(first, first + TOGETHER):
                rng = random.Random(f"{name}/{seed}")
                within = name == "bundle" and rng.random() < 0.5
                path.write_bytes(packed(data, rng) if within else mutated(data, rng))
                try:
                    error = refusal(name, path)
                except Exception as trouble:
                    trouble.add_note(f"{name}, seed {seed}")
                    raise
                if error is not None:
                    refused += 1
                    assert "\n" not in str(error), seed
                    assert not OBEYED.search(str(error)), seed
    assert refused > RUNS // 20  # the inputs are none that any reader takes
