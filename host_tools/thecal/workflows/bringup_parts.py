"""Of `thecal bringup`: memory, flash, light, button and buzzer."""

from __future__ import annotations

from collections.abc import Iterator

from thecal.report.bringup import Finding
from thecal.units.amounts import count_text
from thecal.workflows.bringup_desk import TRIES, Desk, absent, good, unasked, wrong

_LEAST_RAM = 120_000  # free before the firmware is there; it needs less
_BLINKS = 3


def ram(desk: Desk) -> Finding:
    """Written with two patterns and read back."""
    free, tried, bad = desk.parts.ask("memory")
    measured = {"free_bytes": free, "tried_bytes": tried, "wrong_bytes": bad}
    if bad:
        return wrong("RAM", f"{count_text(bad)} bytes read back wrong: the chip is damaged", **measured)
    if free < _LEAST_RAM:
        text = f"{count_text(free)} bytes are free, {count_text(_LEAST_RAM)} should be: is it a stock image?"
        return wrong("RAM", text, **measured)
    return good(
        "RAM", f"{count_text(tried)} of {count_text(free)} free bytes written and read back", **measured
    )


def flash(desk: Desk, wanted_bytes: int) -> Finding:
    """`wanted_bytes`: of the file system that the firmware's image has."""
    size, bad = desk.parts.ask("flash")
    measured = {"file_system_bytes": size, "wrong_bytes": bad}
    if size < wanted_bytes:
        text = f"a file system of {count_text(size)} bytes where {count_text(wanted_bytes)} should be: "
        return wrong("flash", text + "a smaller flash, or another MicroPython than the stock one", **measured)
    if bad < 0:
        return wrong("flash", "it takes no file: is the disk full? Else it is worn or damaged", **measured)
    if bad:
        text = f"{count_text(bad)} bytes of a file read back wrong: it is worn, or its supply too low"
        return wrong("flash", text, **measured)
    return good("flash", f"{count_text(size)} bytes; a file was written, read back, removed", **measured)


def light(desk: Desk) -> Finding:
    """Seen by a person alone."""
    for _ in range(TRIES):
        desk.parts.ask("blink", _BLINKS)
        if not desk.anybody:
            return unasked("light", "it was lit three times")
        answer = desk.choice(
            "Did the light on the board go on three times?", ("y", "yes"), ("n", "no"), ("a", "show it again")
        )
        if answer == "y":
            return good("light", "seen")
        if answer == "n":
            break
    return wrong(
        "light", "not seen: it is @LED, on the board itself; one that has it elsewhere is another board"
    )


def button(desk: Desk, pressed: int) -> Finding:
    """`pressed`: it was down before anybody was asked to press it."""
    if pressed:
        text = "it is down while nobody presses it: @BUTTON touches ground, or the button opens when pressed"
        return wrong("button", text, pressed_at_rest=1)
    if not desk.anybody:
        return unasked("button", "it is up at rest; that a press comes through", pressed_at_rest=0)
    for _ in range(TRIES):
        desk.parts.ask("presses")  # earlier ones do not count
        desk.ready("Press the pump's button once and let it go")
        presses, down = desk.parts.ask("presses")
        measured = {"pressed_at_rest": 0, "presses": presses, "pressed_at_end": down}
        if presses == 1 and not down:
            return good("button", "a press is one press", **measured)
        if down:
            seen, why = (
                "It is down still. Was it let go?",
                "it stays down when it is let go: it sticks, or is a switch",
            )
        elif presses:
            seen = f"{presses} presses were counted. Was it pressed once?"
            why = f"one press counts {presses} times: a loose contact, or a wire that comes and goes"
        else:
            seen = "No press came through. Was it pressed?"
            why = "no press comes through: a wire is off or at another pin. It goes from @BUTTON to ground"
        if desk.yes(seen):
            return wrong("button", why, **measured)
    return wrong("button", f"no press in {TRIES} tries")


def buzzer(desk: Desk) -> Iterator[Finding]:
    """The tone as somebody hears it, and as its feedback does."""
    before, sensed = desk.parts.ask("sound")
    heard = _heard(desk)
    measured = {"sense_before": before, "sensed": sensed}
    if heard is None:
        yield unasked("buzzer", "a tone of a second was made; that it is heard")
    elif heard:
        yield good("buzzer", "heard")
    elif sensed and not before:
        yield wrong(
            "buzzer", "not heard, yet its line moved: the piezo is off, or one that makes its own tone"
        )
    else:
        yield wrong(
            "buzzer",
            "not heard: @BUZZER goes by 1 kOhm to the transistor's base, the buzzer to its collector",
        )
    part = "buzzer sense"
    if before:
        if desk.without & {"buzzer-sense"}:
            yield absent(part, "tied high: the pump's own check of its buzzer means nothing", **measured)
        else:
            text = "@BUZZER_SENSE is high in silence: swapped with @BUZZER, or tied (--without buzzer-sense)"
            yield wrong(part, text, **measured)
    elif sensed:
        yield good(part, "the tone was sensed, and nothing before it", **measured)
    elif heard is False:
        yield wrong(part, "nothing was sensed, as nothing sounds: mend the buzzer first", **measured)
    else:
        text = "nothing was sensed at @BUZZER_SENSE: the pump would say that its buzzer is broken"
        yield wrong(part, text, **measured)


def _heard(desk: Desk) -> bool | None:
    """None: nobody was asked."""
    if not desk.anybody:
        return None
    for _ in range(TRIES):
        answer = desk.choice(
            "Was there a tone of a second?", ("y", "yes"), ("n", "no"), ("a", "sound it again")
        )
        if answer != "a":
            return answer == "y"
        desk.parts.ask("sound")
    return False
