"""thecal's `main.py` on the chip: starts the firmware in the slot that the file `active` names.

With the button held it does nothing: the console is free for maintenance. Otherwise, unless the settings say
production=1, it leaves one second in which Ctrl-C at the console gets in (mpremote, `thecal flash`)."""

import gc
import sys
import time

import machine
from micropython import kbd_intr


def _text(name):
    try:
        with open(name) as file:
            return file.read().strip()
    except OSError:
        return ""


def _start():
    slot = "/" + (_text("/active") or "a")
    sys.path[:] = [slot, ".frozen", "/lib"]
    from pins import BUTTON, ENABLE

    production = "production=1" in _text("/settings")
    if production:
        kbd_intr(-1)
    if not machine.Pin(BUTTON, machine.Pin.IN, machine.Pin.PULL_UP).value():
        kbd_intr(3)
        print("thecal: button held, maintenance")
        return
    if not production:
        print("thecal: Ctrl-C within a second for the console")
        time.sleep_ms(1000)
    gc.threshold(8192)  # collecting often keeps what lives together: else no room is left in one piece
    try:
        import thecal_main  # noqa: F401 - runs the pump
    except Exception as error:  # noqa: BLE001  # allow: except - whatever ends the pump, the motor is off
        machine.Pin(ENABLE, machine.Pin.OUT, value=1)
        sys.print_exception(error)
        if production:
            machine.reset()
    kbd_intr(3)


_start()
