"""thecal's `main.py` on the chip: starts the firmware in the slot that the file `active` names.

With the button held while the power comes it does nothing: the console is free for maintenance. Otherwise,
unless the settings say production=1, it leaves two seconds in which Ctrl-C at the console gets in (mpremote,
`thecal flash`); a host that already talks to the pump does not, whatever bytes its frames have. Whatever ends
the pump leaves the motor off, and a tone."""

from micropython import kbd_intr

# First of all: a frame may hold the byte of Ctrl-C, also one that came while this was compiled, and
# MicroPython looks at what has come whenever it reads the flash, as the imports below do.
kbd_intr(-1)

import gc  # noqa: E402
import select  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import machine  # noqa: E402


def _text(name):
    try:
        with open(name) as file:
            return file.read().strip()
    except OSError:
        return ""


def _held(pin):
    """For 50 ms on end, as the power comes: not after a reset, when somebody may happen to lean on it. Its
    pull-up takes a while to lift the line."""
    button = machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP)
    if machine.reset_cause() == machine.WDT_RESET:
        return False
    for _ in range(10):
        time.sleep_ms(5)
        if button.value():
            return False
    return True


def _asked_for():
    """Does somebody want the console, within two seconds: Ctrl-C by itself, as a person types it, or after a
    carriage return, as mpremote sends it? In the middle of other bytes it is part of a frame."""
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    until_ms = time.ticks_add(time.ticks_ms(), 2000)
    said = b""
    while time.ticks_diff(until_ms, time.ticks_ms()) > 0:
        if poll.poll(30):
            said = (said + sys.stdin.buffer.read(1))[:3]
        elif said == b"\x03" or said[:2] == b"\r\x03":
            return True
        else:
            said = b""  # silence: what comes next begins something
    return False


def _cry(pin):
    """Ten tones in ten seconds: nobody else says that the pump is dead."""
    for _ in range(10):
        tone = machine.PWM(machine.Pin(pin), freq=2700, duty_u16=32768)
        time.sleep_ms(500)
        tone.deinit()
        time.sleep_ms(500)


def _start():
    slot = "/" + (_text("/active") or "a")
    sys.path[:] = [slot, ".frozen", "/lib"]
    from pins import BUTTON, BUZZER, ENABLE, MOTOR_OFF

    machine.Pin(ENABLE, machine.Pin.OUT, value=MOTOR_OFF)
    production = "production=1" in _text("/settings")
    if _held(BUTTON):
        kbd_intr(3)
        print("thecal: button held, maintenance")
        return
    if not production:
        print("thecal: Ctrl-C within two seconds for the console")
        if _asked_for():
            kbd_intr(3)
            return
    gc.threshold(8192)  # collecting often keeps what lives together: else no room is left in one piece
    try:
        import thecal_main  # noqa: F401 - runs the pump
    except BaseException as error:  # noqa: BLE001  # allow: except - whatever ends the pump, the motor is off
        machine.Pin(ENABLE, machine.Pin.OUT, value=MOTOR_OFF)
        sys.print_exception(error)
        _cry(BUZZER)
        if production:
            machine.reset()
    kbd_intr(3)


_start()
