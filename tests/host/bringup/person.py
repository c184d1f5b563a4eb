"""Somebody before a board, who answers by what is to be seen there, and what is wired how."""

from __future__ import annotations

import io
from typing import Any, Protocol

# Everything as it should be. Microvolts at the analogue inputs: 23 C, no pressure, 4.8 V.
GOOD: dict[str, Any] = {
    "light": "ok", "button": "ok", "buzzer": "ok", "sense": "ok", "resistor": "ok", "enable": "ok",
    "supply": 1, "divider": "ok", "motor": "ok", "steps": 1, "direction": "ok", "encoder": "ok",
    "volts_uv": {"26": 730_000, "27": 500_000, "28": 500_000, "29": 1_600_000},
}  # fmt: skip
WARMER_UV, PRESSED_UV = 50_000, 150_000


class World(Protocol):
    """What a board is wired to."""

    wiring: dict[str, Any]

    def seen(self) -> dict[str, int]:
        """What somebody sees and hears: `blinks` and `tones` so far, `force` on the shaft, its `position`."""
        ...

    def do(self, **change: Any) -> None:
        """Somebody does something."""
        ...


class Person(io.StringIO):
    """The stderr and the stdin of a command: what is asked there is answered."""

    def __init__(self, world: World, turn: int = 200) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.mistakes: list[str] = []  # said before the right answer
        self.leaves: Any = None  # a board whose cable is pulled at the third question
        self.stops_at = ""  # a question at which Ctrl-C is pressed
        self._world, self._turn = world, turn
        self._blinks = self._tones = 0

    def readline(self, *_: object) -> str:
        """The answer to the last question."""
        question = self.getvalue().rsplit("\n", 1)[-1]
        self.asked.append(question)
        self.write("\n")
        if self.leaves is not None and len(self.asked) == 3:
            self.leaves.leave()
        if self.stops_at and self.stops_at in question:
            raise KeyboardInterrupt
        if self.mistakes:
            return self.mistakes.pop(0) + "\n"
        return self._answer(question) + "\n"

    def _answer(self, question: str) -> str:
        answers = {
            "free of drug": lambda: "y",
            "Did the light": lambda: self._yes(self._more("blinks") == 3),
            "Press the pump's button": lambda: self._does(press=1),
            "Was it pressed": lambda: "y",
            "Was it let go": lambda: "y",
            "Was there a tone": lambda: self._yes(self._more("tones") > 0),
            "supply off": lambda: self._does(supply=0),
            "supply on again": lambda: self._does(supply=1),
            "turn freely": lambda: self._yes(not self._world.seen()["force"]),
            "held now": lambda: self._yes(self._world.seen()["force"]),
            "Put a mark": lambda: self._does(mark=1),
            "What did the shaft do": self._turned,
            "Did it turn the way": lambda: self._yes(self._world.seen()["position"] > 0),
            "Nothing is seen of": lambda: self._yes(not self._absent(question)),
            "Hold the temperature": lambda: self._volts(26, WARMER_UV),
            "Let the tube alone": self._does,
            "Squeeze the tube before": lambda: self._volts(27, PRESSED_UV),
            "Squeeze the tube behind": lambda: self._volts(28, PRESSED_UV),
        }
        [answer] = [give for words, give in answers.items() if words in question]
        return answer()

    def _yes(self, true: object) -> str:
        return "y" if true else "n"

    def _does(self, **change: Any) -> str:
        self._world.do(**change)
        return ""

    def _more(self, what: str) -> int:
        """Since the last question about it."""
        found, before = self._world.seen()[what], getattr(self, f"_{what}")
        setattr(self, f"_{what}", found)
        return found - before

    def _turned(self) -> str:
        found = self._world.seen()
        turned = abs(found["position"])
        if not turned:
            return "t" if found["trembled"] else "0"
        return "1" if turned == self._turn else "l" if turned < self._turn else "m"

    def _absent(self, question: str) -> bool:
        parts = {"an encoder": "encoder", "motor's supply": "divider"}
        for words, part in parts.items():
            if words in question:
                return self._world.wiring[part] == "absent"
        return any(f"({name})" in question for name in self._world.wiring.get("absent", ()))

    def _volts(self, pin: int, more_uv: int) -> str:
        """One sensor feels something, and none does any more what it felt before."""
        rest = self._world.wiring["volts_uv"]
        at = str(self._world.wiring.get("swapped", {}).get(str(pin), pin))
        felt = rest[at] if rest[at] < 100_000 or self._world.wiring.get("deaf") == pin else rest[at] + more_uv
        self._world.do(volts_uv={**rest, at: felt})
        return ""


# By name: what is wired how, and the first words of what is said of which part.
FAULTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "the light is elsewhere": ({"light": "dead"}, {"light": "not seen"}),
    "the button's wire is off": ({"button": "open"}, {"button": "no press comes through"}),
    "the button is shorted": ({"button": "stuck"}, {"button": "it is down while nobody presses it"}),
    "the button sticks": ({"button": "sticks"}, {"button": "it stays down"}),
    "the button chatters": ({"button": "chatters"}, {"button": "one press counts 2 times"}),
    "the buzzer's wire is off": (
        {"buzzer": "open"}, {"buzzer": "not heard: GPIO 15", "buzzer sense": "nothing was sensed, as"},
    ),
    "the piezo is off": ({"buzzer": "mute"}, {"buzzer": "not heard, yet its line moved"}),
    "the buzzer's feedback is off": ({"sense": "open"}, {"buzzer sense": "nothing was sensed at GPIO 13"}),
    "the buzzer's feedback is tied": ({"sense": "tied"}, {"buzzer sense": "GPIO 13 is high in silence"}),
    "the motor has no supply": (
        {"supply": 0, "supply_for_good": 0},
        {"motor supply": "missing", "enable": "never held", "turn": "the shaft did not move"},
    ),
    "the supply's wire is tied": ({"divider": "tied"}, {"motor supply": "GPIO 6 stays high without it"}),
    "the supply's wire is off": ({"divider": "open"}, {"motor supply": "missing"}),
    "the resistor at EN is missing": ({"resistor": "open"}, {"enable resistor": "nothing holds EN"}),
    "EN is inverted": (
        {"enable": "inverted"}, {"enable": "inverted", "turn": "the shaft did not move"},
    ),
    "EN's wire is off": (
        {"enable": "open", "resistor": "open"},
        {"enable resistor": "nothing holds EN", "enable": "never held", "turn": "the shaft did not move"},
    ),
    "EN is at ground": ({"enable": "tied"}, {"enable": "held when it should be off"}),
    "the coils are mixed up": (
        {"motor": "coils"}, {"turn": "it trembles"}
    ),
    "STEP and DIR are swapped": ({"motor": "unstepped"}, {"turn": "the shaft did not move: STEP"}),
    "the direction is reversed": ({"direction": "reversed"}, {"direction": "reversed"}),
    "the steps are too small": ({"steps": 0.5}, {"turn": "less than a turn"}),
    "the steps are too large": ({"steps": 2}, {"turn": "more than a turn"}),
    "the encoder is inverted": ({"encoder": "inverted"}, {"encoder": "inverted"}),
    "the encoder's wire is off": ({"encoder": "open"}, {"encoder": "GPIO 5 stays low"}),
    "the encoder is tied": ({"encoder": "tied"}, {"encoder": "GPIO 5 says that the motor never moves"}),
    "the temperature sensor is off": (
        {"volts_uv": {**GOOD["volts_uv"], "26": 0}}, {"temperature": "no reading at GPIO 26"}
    ),
    "the temperature sensor is turned round": (
        {"volts_uv": {**GOOD["volts_uv"], "26": 1_460_000}}, {"temperature": "it reads 9"}
    ),
    "the temperature sensor feels nothing": ({"deaf": 26}, {"temperature": "it does not follow"}),
    "a pressure sensor is shorted": (
        {"volts_uv": {**GOOD["volts_uv"], "27": 3_300_000}}, {"upstream": "no reading at GPIO 27"}
    ),
    "a pressure sensor is another": (
        {"volts_uv": {**GOOD["volts_uv"], "28": 900_000}}, {"downstream": "it reads "}
    ),
    "a pressure sensor feels nothing": ({"deaf": 28}, {"downstream": "it does not follow"}),
    "the pressure sensors are swapped": (
        {"swapped": {"27": 28, "28": 27}}, {"upstream": "swapped", "downstream": "swapped"}
    ),
    "temperature and pressure are swapped": (
        {"swapped": {"26": 27, "27": 26}, "volts_uv": {**GOOD["volts_uv"], "26": 500_000, "27": 730_000}},
        {"temperature": "it reads ", "upstream": "it does not follow"},
    ),
    "it is a Pico with a radio": (
        {"volts_uv": {**GOOD["volts_uv"], "29": 300_000}}, {"battery": "GPIO 29 reads 0."}
    ),
}  # fmt: skip

_LANES = {
    "sense": "buzzer", "supply": "stands", "enable": "stands", "motor": "stands", "direction": "turns",
    "steps": "turns", "volts_uv": "sensors", "deaf": "sensors", "swapped": "sensors",
}  # fmt: skip
_OF_A_MOTOR_THAT_TURNS = ("turns", "encoder", "divider", "resistor")


def groups() -> list[list[str]]:
    """The faults, put together as far as none hides another: one walk for many."""
    lanes: dict[str, list[str]] = {}
    for name, (wiring, _) in FAULTS.items():
        first = next(iter(wiring))
        lanes.setdefault(_LANES.get(first, first), []).append(name)
    made: list[list[str]] = []
    for lane, names in lanes.items():
        start = len(lanes["stands"]) if lane in _OF_A_MOTOR_THAT_TURNS else 0
        made += [[] for _ in range(start + len(names) - len(made))]
        for at, name in enumerate(names, start):
            made[at].append(name)
    return made


def merged(names: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The wiring with all of these faults, and what is said of it."""
    wiring: dict[str, Any] = {}
    says: dict[str, str] = {}
    for name in names:
        wiring |= FAULTS[name][0]
        says |= FAULTS[name][1]
    return wiring, says
