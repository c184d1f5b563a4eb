"""The bench of an emulated pump as a person uses it: amounts with units, a pump that comes back by itself.

    pump.bench.advance("6 h")
    pump.bench.inject("motor_stall", lasting="10 min")
    pump.bench.cut_power("1 min")
    print(pump.bench.truth().steps)

What is injected, and with what, is as in an events file (docs/reference/therapy-files.md). Below it lies
`testbench.Bench`, in the units of the wire, which raises `PumpReset` where this one lets the pump start
again.
"""

from __future__ import annotations

import dataclasses
import difflib
import subprocess
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from thecal._io.arguments import checked_wide, need_texts
from thecal.emulator.testbench import Bench, PumpReset
from thecal.emulator.truth import Truth
from thecal.errors import SimulationError

if TYPE_CHECKING:
    from thecal.emulator.injections import Injection

RESET_TAKES_US = 100_000  # from the watchdog's bite to the first instruction of the new life
T = TypeVar("T")
_FOR_EVER_US = 1 << 60
_FOR_NOW = "1 s"  # an injection has no instant: it is made at this one


class Restarts(Protocol):
    """Who boots the pump again (`Emulator`)."""

    @property
    def clock(self) -> str:
        """Its name: "virtual", "real" ..."""
        ...

    @property
    def stands_still(self) -> bool:
        """Does time pass only when the bench lets it?"""
        ...

    def restart(self, settings: Mapping[str, int | str] | None = None, *, world: object = None) -> None:
        """After a power cut."""
        ...

    def restart_after(
        self, reset: PumpReset, *, memory_lost: bool = False, takes_us: int = RESET_TAKES_US
    ) -> None:
        """After a reset."""
        ...


@checked_wide
class PumpBench(Bench):
    """One emulated pump's bench, over all its lives.

    Raises:
        SimulationError: what was asked for is refused, or the pump died.
        QuantityError: an amount has no unit, or is none.
    """

    def __init__(self, pump: Restarts, process: subprocess.Popen[bytes], last_words: IO[bytes]) -> None:
        super().__init__(process, last_words)
        self._pump = pump
        self._steps_before = 0

    def advance(self, duration: str, *, progress: Callable[[int], None] | None = None) -> int:
        """Let time pass; everything due by then has been done when this returns.

        Args:
            duration: how much: "6 h". As often as the pump is reset meanwhile it starts again, as a board
                does.
            progress: called with the instant reached, in us, about ten times a second.

        Returns:
            The instant reached, in us since the first boot.
        """
        from thecal.units.quantities import DURATION, parse_whole

        duration_us = parse_whole(duration, DURATION)
        if not self._pump.stands_still:
            raise SimulationError(
                f"this pump's time passes by itself: its clock is {self._pump.clock}, and does not wait for "
                "the bench",
                'start it with clock="virtual" (thecal emulate: --speed 0)',
            )
        to_us = self._through_resets(self.now) + duration_us
        return self._through_resets(lambda: self.advance_to(to_us, progress=progress), to_us)

    def inject(self, name: str, /, *, lasting: str = "", **values: object) -> None:
        """A fault or a condition, from now on.

        Args:
            name: "motor_stall", "occlusion", "temperature" ...; a wrong one is refused with those there are.
            lasting: for how long: "10 min"; "": until the end. It goes on over resets and power cuts.
            values: as in an events file: `celsius=43`, `where="upstream"`, `factor="1.2"`.
        """
        from thecal.emulator.event_fields import Lasting

        need_texts(values)
        event = _event(name, lasting, values)
        if event.bench_name == "power_cut":
            if not lasting:
                raise SimulationError("a power cut has to end", 'say when: lasting="1 min"')
            self.cut_power(lasting)
            return
        more = {"for_us": event.for_us or _FOR_EVER_US} if isinstance(event, Lasting) else {}
        self._through_resets(self.now)
        try:
            self.inject_raw(event.bench_name, **event.bench_values(), **more)
        except PumpReset as reset:  # which is what was injected
            self._start_again(reset, RESET_TAKES_US)

    def cut_power(self, lasting: str) -> None:
        """The supply is gone, and comes back.

        Args:
            lasting: after so long: "1 min". The pump has booted when this returns. What was said to it in a
                session is over: open another one.
        """
        from thecal.units.quantities import DURATION, parse_whole

        off_us = parse_whole(lasting, DURATION)
        from_us = self._through_resets(self.now)
        world = self.power_cut(conditions=True)
        self._steps_before += _steps_of(world)
        self._pump.restart({"start_us": from_us + off_us}, world=world)

    def truth(self, *, collect: bool = True) -> Truth:
        """What physically happened, whatever the pump believes.

        Args:
            collect: False: garbage in the pump's memory counts as live, which is quicker.

        Returns:
            Steps, fluid, power, sound. `steps` are since the first boot, over the cuts and resets that this
            bench saw; every other count since the last.
        """
        found = self._through_resets(lambda: super(PumpBench, self).truth(collect=collect))
        return dataclasses.replace(found, steps=found.steps + self._steps_before)

    def _through_resets(self, action: Callable[[], T], to_us: int = 0) -> T:
        """As often as the pump was reset it boots again as the chip would, a moment later; earlier when
        something is to happen before that."""
        while True:
            try:
                return action()
            except PumpReset as reset:
                self._start_again(
                    reset, min(RESET_TAKES_US, to_us - reset.now_us) if to_us else RESET_TAKES_US
                )

    def boot_again(self) -> str:
        """Once the pump has spoken by itself: it boots again, as often as it was reset; what reset it.

        Raises:
            SimulationError: it was not; with its last words.
        """
        cause = ""
        while True:
            try:
                self.now()
            except PumpReset as reset:
                cause = reset.cause
                self._start_again(reset, RESET_TAKES_US)
            else:
                return cause

    def _start_again(self, reset: PumpReset, takes_us: int) -> None:
        self._steps_before += _steps_of(reset.world)
        self._pump.restart_after(reset, takes_us=takes_us)


def _steps_of(world: Any) -> int:
    """Made by the motor in the life that left this world."""
    return int(world["steps"])


def _event(name: str, lasting: str, values: Mapping[str, object]) -> Injection:
    """As it would be read from an events file. SimulationError: it would be refused there."""
    from pydantic import ValidationError

    from thecal.emulator.event_fields import EXAMPLES
    from thecal.emulator.injections import INJECT
    from thecal.therapy.toml_file import problems_of

    if name not in INJECT:
        meant = difflib.get_close_matches(str(name), INJECT, 1)
        hint = f"did you mean {meant[0]}? " if meant else ""
        raise SimulationError(f'no injection is called "{name}"', f"{hint}known: {', '.join(INJECT)}")
    for key in ("at", "inject"):
        if key in values:
            raise SimulationError(f"{key} is no value of {name}", "it happens now; leave it out")
    model = INJECT[name]
    document = {"at": _FOR_NOW, "inject": name, **values}
    if lasting:
        document["for"] = lasting
    fields = [field.alias or key for key, field in model.model_fields.items()]
    examples = {key: EXAMPLES[key] for key in fields if key not in ("at", "inject", "for")}
    try:
        return model.model_validate(document)
    except ValidationError as error:
        if lasting and "for" not in fields:
            raise SimulationError(f"{name} does not last", "leave out `lasting`") from error
        problems = problems_of(error, examples)
        texts = (f"{'lasting' if x.field == 'for' else x.field}: {x.message}" for x in problems)
        raise SimulationError(f"{name} cannot be injected so: {'; '.join(texts)}") from error
