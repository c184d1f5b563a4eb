"""A test that goes on from an expensive state, in a copy of the process: what it does to it stays there."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from typing import Any

import pytest


def in_a_copy(test: Callable[..., None]) -> Callable[..., None]:
    """Run the test in a forked process; what it raises is this one's failure."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            text = ""
            try:
                test(*arguments, **named)
            except BaseException:  # noqa: BLE001 - told to the parent, whatever it is
                text = traceback.format_exc()
            with os.fdopen(writer, "w") as out:
                out.write(text)
            os._exit(bool(text))
        os.close(writer)
        with os.fdopen(reader) as told:
            text = told.read()
        _, status = os.waitpid(child, 0)
        if text or status:
            pytest.fail(text or f"the copy ended with {status}", pytrace=False)

    return run
