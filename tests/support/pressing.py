"""Somebody at an emulated pump, who presses its button when told to, and never before."""

from collections.abc import Callable

import pytest

from thecal.cli import common
from thecal.emulator.emulator import Emulator


def presser(emulator: Emulator) -> Callable[[str], None]:
    """For `Client.button` and `Pump.button`."""
    return lambda text: emulator.bench.press_button()


def presses(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> list[str]:
    """For commands run in this process; what they said, as it comes."""
    said: list[str] = []

    def press(text: str) -> None:
        said.append(text)
        emulator.bench.press_button()

    asked = common.at_the_button
    monkeypatch.setattr(common, "at_the_button", lambda: press if asked() else None)
    return said
