"""An emulated chip with a world around it: a motor that turns, a buzzer, sensors, a hand."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boards.rp2040.chip import file_system
from boards.rp2040.outside import Readings
from boards.rp2040.usb_line import BoardOnUsb
from host.bringup.person import GOOD

STEP, DIR, ENABLE, STALL, SUPPLY, SENSE, BUTTON, LED = 2, 3, 4, 5, 6, 13, 14, 25
_BUZZER_SLICE = 7  # of PWM; its output B is GPIO 15
_LOWEST = 2  # of the ADC, so that noise does not pass below nothing
_DEED_US = 400_000  # a press, from its beginning
_TURNING = 20
_DONE_S = 120


class WiredBoard(BoardOnUsb):
    """A new board on its USB line, and what hangs at its pins. `wiring`: see `host.bringup.person`."""

    def __init__(self, image: Path, **wiring: Any) -> None:
        super().__init__(image, file_system({}))
        self.wiring = {**GOOD, **wiring}
        self._now = dict(self.wiring)
        self._saw = {"blinks": 0, "tones": 0, "position": 0, "trembled": 0}
        self._sounds = False
        self._moved = True
        self.turning = threading.Event()  # it has made so many steps
        self._deeds: queue.Queue[tuple[dict[str, Any], threading.Event]] = queue.Queue()
        gpio = self.chip.mcu.gpio
        gpio[STEP].add_listener(self._rises(self._step))
        gpio[LED].add_listener(self._rises(self._lit))
        self._apply({})

    # -- a person's side

    def seen(self) -> dict[str, int]:
        return {**self._saw, "force": int(self._force())}

    def do(self, **change: Any) -> None:
        done = threading.Event()
        self._deeds.put((change, done))
        if not done.wait(_DONE_S):
            raise TimeoutError("the chip's thread does not come round")

    # -- the world's

    def _turn(self, ahead_s: float) -> None:
        while not self._deeds.empty():
            change, done = self._deeds.get()
            self._apply(change)
            self.chip.at(_DEED_US if "press" in change else 1, done.set)
        self._listen()
        super()._turn(ahead_s)

    def _apply(self, change: dict[str, Any]) -> None:
        if "supply" in change and "supply_for_good" in self.wiring:
            change = {**change, "supply": self.wiring["supply_for_good"]}
        self._now = world = {**self.wiring, **change}
        chip = self.chip
        chip.mcu.adc.channel_values = Readings(
            [*(max(_LOWEST, world["volts_uv"][str(pin)] * 10 // 8057) for pin in (26, 27, 28, 29)), _LOWEST]
        )
        if world["divider"] in ("ok", "tied"):
            chip.drive(SUPPLY, world["divider"] == "tied" or bool(world["supply"]))
        if world["resistor"] == "ok":
            chip.drive(ENABLE, True)
        chip.drive(SENSE, world["sense"] == "tied")
        if world["button"] == "stuck":
            chip.drive(BUTTON, False)
        if change.get("press"):
            self._press()
        if change.get("mark"):
            self._saw |= {"position": 0, "trembled": 0}

    def _press(self) -> None:
        how = self._now["button"]
        plans = {"ok": (0, 200), "chatters": (0, 60, 120, 180), "sticks": (0,)}
        for number, at_ms in enumerate(plans.get(how, ())):
            self.chip.at(1000 * (1 + at_ms), lambda up=bool(number & 1): self.chip.drive(BUTTON, up))

    def _listen(self) -> None:
        channel = self.chip.mcu.pwm.channels[_BUZZER_SLICE]
        plays = bool(channel.csr & 1) and channel.cc >> 16 > 0 and self._now["buzzer"] != "open"
        if plays == self._sounds:
            return
        self._sounds = plays
        self._saw["tones"] += plays and self._now["buzzer"] == "ok"
        if self._now["sense"] == "ok":
            self.chip.drive(SENSE, plays)

    def _rises(self, act: Callable[[], None]) -> Callable[[Any, Any], None]:
        def changed(state: Any, old: Any) -> None:
            if state.name == "HIGH" and old.name != "HIGH":
                act()

        return changed

    def _level(self, pin: int) -> str:
        return self.chip.mcu.gpio[pin].value.name

    def _force(self) -> bool:
        on = self._level(ENABLE) == "LOW"
        wired = {"ok": on, "inverted": not on, "tied": True, "open": False}[self._now["enable"]]
        return wired and bool(self._now["supply"]) and self._now["motor"] != "dead"

    def _lit(self) -> None:
        self._saw["blinks"] += self._now["light"] == "ok"

    def _step(self) -> None:
        world, force = self._now, self._force()
        missed = not self._moved
        stall = {"ok": missed, "inverted": not missed, "tied": True, "open": False, "absent": False}
        self.chip.drive(STALL, stall[world["encoder"]])
        self._moved = force and world["motor"] == "ok"
        if self._moved:
            forward = (self._level(DIR) == "HIGH") == (world["direction"] == "ok")
            self._saw["position"] += world["steps"] if forward else -world["steps"]
            if abs(self._saw["position"]) >= _TURNING:
                self.turning.set()
        elif force and world["motor"] == "coils":
            self._saw["trembled"] = 1
