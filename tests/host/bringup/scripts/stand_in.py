"""Run by MicroPython's unix port: a new board, as far as its own classes can tell, and what it is wired to.

    micropython stand_in.py WORLD.json SEEN.json

Its raw console is stdin and stdout. `machine` and `time` are stand-ins, time passes when somebody sleeps, and
the motor's class is one too: PIO is no matter for this processor. All other classes are the board's.
Before each order the world is read anew from WORLD.json; after it SEEN.json says what somebody beside the
board would have seen and heard.
"""

import io
import json
import os as of_the_port
import sys
import time as real_time

import vfs

_OFF = 1  # level of EN

world = {}
seen = {}


class Module:
    pass


# --- time


class Clock:
    now_ms = 0
    timers = []

    def sleep_ms(self, ms):
        end = self.now_ms + ms
        while self.now_ms < end:
            self.now_ms += 1
            for timer in list(self.timers):
                timer.tick(self.now_ms)
            button.tick(self.now_ms)

    def ticks_ms(self):
        return self.now_ms

    def ticks_diff(self, a, b):
        return a - b


clock = Clock()


class Timer:
    PERIODIC = 1

    def init(self, mode, period, callback, hard):
        self.period, self.callback, self.due = period, callback, clock.now_ms + period
        clock.timers.append(self)

    def deinit(self):
        if self in clock.timers:
            clock.timers.remove(self)

    def tick(self, now_ms):
        if now_ms >= self.due:
            self.due += self.period
            self.callback(self)


# --- pins and what hangs at them


class Pin:
    IN, OUT, PULL_UP, PULL_DOWN, IRQ_FALLING, IRQ_RISING = 0, 1, 2, 3, 4, 8
    state = {}  # number: [mode, pull, level]

    def __init__(self, number, mode=None, pull=None, value=None):
        self.number = number
        if mode is not None:
            self.state[number] = [mode, pull, self.state.get(number, (0, 0, 0))[2]]
        if value is not None:
            self.value(value)

    def value(self, level=None):
        mode, pull, last = self.state[self.number]
        if level is None:
            return last if mode == self.OUT else level_of(self.number, pull)
        self.state[self.number][2] = level
        if self.number == 25 and level and world["light"] == "ok":
            seen["blinks"] += 1

    def irq(self, handler, trigger, hard):
        button.handler = lambda: handler(self)


def level_of(number, pull):
    """Of an input: what the world puts there, or the chip's own pull."""
    floating = 1 if pull == Pin.PULL_UP else 0
    if number == 14:
        return button.level()
    if number == 13:
        return {"ok": int(PWM.sounds), "tied": 1, "open": floating, "absent": floating}[world["sense"]]
    if number == 4:
        return {"ok": 1, "open": floating}[world["resistor"]]
    if number == 6:
        return {"ok": world["supply"], "tied": 1, "open": floating, "absent": floating}[world["divider"]]
    return floating


class Button:
    handler = None
    down = False
    plan = []

    def level(self):
        if world["button"] == "stuck":
            return 0
        return 0 if self.down and world["button"] != "open" else 1

    def press(self):
        at = clock.now_ms + 50
        self.plan = [at, at + 200]
        if world["button"] == "chatters":
            self.plan = [at, at + 60, at + 120, at + 180]
        if world["button"] == "sticks":
            self.plan = [at]
        clock.sleep_ms(400)

    def tick(self, now_ms):
        while self.plan and now_ms >= self.plan[0]:
            self.plan.pop(0)
            self.down = not self.down
            if self.handler and world["button"] != "open":
                self.handler()


button = Button()


class PWM:
    sounds = False

    def __init__(self, pin, freq, duty_u16):
        pass

    def freq(self, hz):
        pass

    def duty_u16(self, duty):
        PWM.sounds = bool(duty) and world["buzzer"] != "open"
        if PWM.sounds and world["buzzer"] == "ok":
            seen["tones"] += 1


class ADC:
    def __init__(self, pin):
        self.number = pin.number

    def read_u16(self):
        return world["volts_uv"][str(self.number)] * 10 // 8057 << 4


class Memory:
    def __getitem__(self, address):
        return int(real_time.time() * 1000000 * world["clock"]) & 0xFFFFFFFF


def force():
    """Is the shaft held?"""
    on = Pin.state[4][0] == Pin.OUT and Pin.state[4][2] != _OFF
    how = world["enable"]
    wired = {"ok": on, "inverted": not on, "tied": True, "open": False}[how]
    return wired and bool(world["supply"]) and world["motor"] != "dead"


class Motor:
    """`boards/rp2040/pio_motor.py`, less PIO: the steps are made at once."""

    def __init__(self, watches_supply):
        from driver import Driver

        self.driver = Driver()
        self.made = self.lost = 0
        self.driver.enable()

    def enable(self):
        self.driver.enable()

    def disable(self):
        self.driver.disable()

    def set_epoch(self, s, us):
        pass

    def append(self, run):
        moves = force() and world["motor"] in ("ok", "stutters")
        forward = (Pin.state[3][2] == 1) == (world["direction"] == "ok")
        self.made += run.steps - (world["motor"] == "stutters")
        if moves:
            seen["position"] += run.steps * world["steps"] if forward else -run.steps * world["steps"]
        elif force() and world["motor"] == "coils":
            seen["trembled"] = 1
        stall = {"ok": not moves, "inverted": moves, "tied": True, "open": False, "absent": False}
        self.lost += run.steps if stall[world["encoder"]] else 0

    def in_flight(self):
        return 0

    def cancel(self):
        pass

    def executed(self):
        return self.made

    def lost_steps(self):
        return self.lost


# --- the modules by their names


def reset():
    seen["resets"] = 1


def install():
    machine, time, pio_motor, os, system = Module(), Module(), Module(), Module(), Module()
    machine.Pin, machine.PWM, machine.ADC, machine.Timer, machine.mem32 = Pin, PWM, ADC, Timer, Memory()
    machine.freq = lambda *hz: world["hz"]
    machine.unique_id = lambda: b"\xe6\x60\x58\x38\x83\x2a\x51\x2f"
    machine.reset = reset
    time.sleep_ms, time.ticks_ms, time.ticks_diff = clock.sleep_ms, clock.ticks_ms, clock.ticks_diff
    pio_motor.Motor = Motor
    os.statvfs, os.listdir, os.remove = of_the_port.statvfs, of_the_port.listdir, of_the_port.remove
    os.uname = lambda: (0, 0, 0, 0, world["machine"])

    class Implementation:
        _mpy = sys.implementation._mpy

        def __getitem__(self, at):
            return ("micropython", tuple(world["version"]))[at]

    system.implementation = Implementation()
    system.modules, system.path, system.platform = sys.modules, sys.path, "rp2"
    for name, module in (("machine", machine), ("time", time), ("os", os), ("sys", system)):
        sys.modules[name] = module
    return pio_motor


class Ram:
    """The flash, block by block as they are written."""

    def __init__(self, blocks):
        self.blocks = blocks
        self.data = {}
        self.fresh = set()  # what littlefs reads at once, to see that it was written

    def readblocks(self, n, buf, off=0):
        block = self.data.get(n)
        for at in range(len(buf)):
            buf[at] = 0xFF if block is None else block[off + at]
        if (n, off) not in self.fresh and world["flash"] == "forgets" and buf[:3] == b"\x00\x01\x02":
            buf[1] ^= 1
        self.fresh.discard((n, off))

    def writeblocks(self, n, buf, off=0):
        self.fresh.add((n, off))
        if n not in self.data:
            self.data[n] = bytearray(b"\xff" * 4096)
        self.data[n][off : off + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 6:
            self.data.pop(arg, None)
        return {4: self.blocks, 5: 4096, 6: 0}.get(op, 0)


def read_world(path):
    with open("/outside" + path) as file:
        found = json.load(file)
    fresh = found["deed"] != world.get("deed")
    world.clear()
    world.update(found)
    if fresh and world.get("press"):
        button.press()  # all of it, before the next order
    if fresh and world.get("mark"):
        seen["position"] = 0
        seen["trembled"] = 0


def say_seen(path):
    seen["force"] = int(force()) if 4 in Pin.state else 0
    with open("/outside" + path, "w") as file:
        json.dump(seen, file)


def orders():
    """Each order that comes, by the raw console's rules, pasted or typed."""
    take, put = sys.stdin.buffer.read, sys.stdout.buffer.write
    text = b""
    while True:
        byte = take(1)
        if not byte:
            return
        if byte == b"\x01":
            text = b""
            put(b"raw REPL; CTRL-B to exit\r\n>")
        elif byte == b"\x05":
            take(2)
            put(b"R\x01\xff\xff")
        elif byte == b"\x04":
            put(b"\x04")
            yield text
            text = b""
            put(b"\x04>")
        elif byte not in b"\x02\x03":
            text += byte


def main(world_path, seen_path):
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix("/"), "/outside")
    seen.update({"blinks": 0, "tones": 0, "position": 0, "trembled": 0})
    read_world(world_path)
    ram = Ram(world["blocks"])
    vfs.VfsLfs2.mkfs(ram, progsize=256)
    vfs.mount(vfs.VfsLfs2(ram, progsize=256), "/")
    for name in world["files"]:
        of_the_port.mkdir(name[:-1]) if name.endswith("/") else open("/" + name, "w").close()
    pio_motor = install()
    put = sys.stdout.buffer.write
    names = {}
    names["print"] = lambda *a: put(" ".join(str(x) for x in a).encode() + b"\r\n")
    for text in orders():
        read_world(world_path)
        if b" as bringup" in text:  # all has been sent, and is to be imported
            names["_sent"].files.pop("pio_motor.mpy")
            sys.modules["pio_motor"] = pio_motor
        error = b""
        try:
            exec(text.decode(), names)
        except Exception as found:  # noqa: BLE001 - told to the host, whatever it is
            out = io.StringIO()
            sys.print_exception(found, out)
            error = out.getvalue().encode()
        say_seen(seen_path)
        put(b"\x04" + error)


main(sys.argv[1], sys.argv[2])
