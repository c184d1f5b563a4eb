"""The board conformance suite: what every board does alike, tried through the board interface alone.

Runs on MicroPython, on whichever board it is given: `findings(board)` returns one text for each promise of
docs/reference/board-interface.md that is not kept. Numbers stay below 31 bits. Time may be real or virtual,
but must pass by itself. Steps are made: on a real pump, dry.
"""

import binascii
import struct
from array import array

import micropython

_TICKS_MASK = 0x3FFFFFFF
_GAP_US = 4000


class Run:
    """A run whose steps come every 4 ms and 1/3 us."""

    def __init__(self):
        self.size = 2
        self.lead = array("H", [0, 0])
        self.carry = array("H", [1, 0])
        self.modulus = array("H", [3, 0])
        self.gap_s = 0
        self.gap_us = _GAP_US
        self.steps = 0
        self.first_s = 0
        self.first_us = 0
        self.last_s = 0
        self.last_us = 0


class Rig:
    """A board, its monotonic time in microseconds (for a few minutes), and what has been found."""

    def __init__(self, board, late_us):
        self.board = board
        self.late_us = late_us
        self.found = []
        self.run = Run()
        self._last = board.ticks_us()
        self._now_us = 0

    def expect(self, condition, text):
        if not condition:
            self.found.append(text)

    def now_us(self):
        ticks = self.board.ticks_us()
        self._now_us += (ticks - self._last) & _TICKS_MASK
        self._last = ticks
        return self._now_us

    def wait_until(self, instant_us):
        while True:
            left_us = instant_us - self.now_us()
            if left_us <= 0:
                return
            self.board.wait_us(left_us)

    def append(self, steps, first_us):
        """Give the motor a run from first_us on; the due time of its last step."""
        run = self.run
        last_us = due_us(first_us, steps - 1)
        run.steps = steps
        run.first_s = first_us // 1000000
        run.first_us = first_us % 1000000
        run.last_s = last_us // 1000000
        run.last_us = last_us % 1000000
        self.board.motor.append(run)
        return last_us

    def settle(self):
        """Nothing in the motor."""
        self.board.motor.cancel()


def due_us(first_us, k):
    """When step k of the run is due: the first whole microsecond after k gaps of 4000 1/3 us."""
    return first_us + k * _GAP_US + (k + 2) // 3


def _time(rig):
    board = rig.board
    ticks = board.ticks_us()
    rig.expect(0 <= ticks <= _TICKS_MASK, "ticks_us is not of 30 bits: %d" % ticks)
    for delay_us in (0, 1, 700, 20000):
        began_us = rig.now_us()
        board.wait_us(delay_us)
        passed_us = rig.now_us() - began_us
        rig.expect(passed_us < delay_us + rig.late_us, "wait_us(%d) took %d us" % (delay_us, passed_us))


def _silence(rig):
    buffer = bytearray(8)
    rig.expect(rig.board.serial.readinto(buffer) == 0, "readinto of a silent line is not 0")


def _names(rig):
    board = rig.board
    rig.expect(isinstance(board.model, str) and board.model, "model is no text")
    rig.expect(isinstance(board.serial_number, str) and board.serial_number, "serial_number is no text")
    rig.expect(isinstance(board.reset_cause(), int), "reset_cause() is no number")
    some = board.random_bytes(16)
    rig.expect(len(some) == 16 and some != board.random_bytes(16), "random_bytes repeats itself")


def _motor_counts(rig):
    """While a run is under way, the count follows its due times."""
    motor = rig.board.motor
    before = motor.executed()
    first_us = rig.now_us() + 5000
    rig.append(10, first_us)
    for k in range(10):
        rig.wait_until(due_us(first_us, k))
        low = _steps_due(first_us, 10, rig.now_us())
        made = motor.executed() - before
        high = _steps_due(first_us, 10, rig.now_us())
        rig.expect(low <= made <= high, "%d steps made, %d to %d due" % (made, low, high))
    rig.expect(motor.in_flight() == 0, "steps in flight after the last one")
    rig.expect(motor.executed() - before == 10, "not 10 steps at the end of a run of 10")


def _steps_due(first_us, steps, now_us):
    due = 0
    while due < steps and due_us(first_us, due) <= now_us:
        due += 1
    return due


def _motor_copies(rig):
    """The run belongs to the caller again as soon as append returns."""
    motor = rig.board.motor
    before = motor.executed()
    last_us = rig.append(3, rig.now_us() + 5000)
    rig.run.steps = 60
    rig.run.last_s = 1000000
    rig.run.gap_us = 1
    rig.run.modulus[0] = 2
    rig.wait_until(last_us + 2000)
    rig.run.gap_us = _GAP_US
    rig.run.modulus[0] = 3
    rig.expect(motor.executed() - before == 3, "a run changed after append")


def _motor_joins(rig):
    """A second run waits behind the first."""
    motor = rig.board.motor
    before = motor.executed()
    last_us = rig.append(4, rig.now_us() + 5000)
    last_us = rig.append(4, last_us + 6000)
    rig.expect(motor.in_flight() == 8, "not 8 steps in flight after runs of 4 and 4")
    rig.wait_until(last_us)
    rig.expect(motor.executed() - before == 8, "not 8 steps made of runs of 4 and 4")


def _motor_cancels(rig):
    motor = rig.board.motor
    before = motor.executed()
    first_us = rig.now_us() + 5000
    rig.append(8, first_us)
    rig.wait_until(due_us(first_us, 2) + 1500)
    low = _steps_due(first_us, 8, rig.now_us())
    motor.cancel()
    high = _steps_due(first_us, 8, rig.now_us())
    made = motor.executed() - before
    rig.expect(low <= made <= high, "cancel: %d steps made, %d to %d due" % (made, low, high))
    rig.expect(motor.in_flight() == 0, "steps in flight after cancel")
    rig.wait_until(due_us(first_us, 8))
    rig.expect(motor.executed() - before == made, "steps after cancel")
    rig.wait_until(rig.append(2, rig.now_us() + 5000))
    rig.expect(motor.executed() - before == made + 2, "a run after cancel is not made")


def _motor_bounds(rig):
    """Never more than two runs or 64 steps: the most that a hung program can deliver."""
    far_us = rig.now_us() + 60000000
    last_us = rig.append(63, far_us)
    rig.expect(_refused(rig, 2, last_us + 9000), "65 steps in flight")
    rig.expect(not _refused(rig, 1, last_us + 9000), "64 steps in two runs refused")
    rig.settle()
    last_us = rig.append(1, far_us)
    last_us = rig.append(1, last_us + 9000)
    rig.expect(_refused(rig, 1, last_us + 9000), "three runs in flight")
    rig.settle()
    rig.expect(_refused(rig, 0, far_us), "a run of no steps taken")
    rig.expect(rig.board.motor.in_flight() == 0, "a refused run left steps behind")


def _refused(rig, steps, first_us):
    try:
        rig.append(steps, first_us)
    except ValueError:
        return True
    return False


def _store(rig):
    store = rig.board.store
    store.save("conformance", b"first")
    rig.expect(store.load("conformance") == b"first", "the store lost a document")
    store.save("conformance", bytes(range(256)) * 8)
    rig.expect(store.load("conformance") == bytes(range(256)) * 8, "the store did not replace a document")
    store.save("conformance", b"")
    rig.expect(store.load("conformance") == b"", "the store keeps no empty document")
    rig.expect(store.load("never-saved") is None, "the store made a document up")


def _crc(rig):
    """A record's CRC, of every length and from everywhere, without an allocation."""
    store = rig.board.store
    data = bytes([(37 * index + 11) & 255 for index in range(80)])
    record = bytearray(90)
    numbers = array("I", [123456789, 0, 1073741823])
    wanted = bytearray(4)
    for size in range(64):
        view = memoryview(data)[size % 7 : size % 7 + size]
        micropython.heap_lock()
        try:
            store.put_crc(view, size, record, 3 + size % 5)
            allocated = False
        except MemoryError:
            allocated = True
        finally:
            micropython.heap_unlock()
        rig.expect(not allocated, "a CRC allocates memory")
        struct.pack_into("<I", wanted, 0, binascii.crc32(view))
        rig.expect(bytes(record[3 + size % 5 : 7 + size % 5]) == bytes(wanted), "a CRC of %d bytes" % size)
    store.put_crc(b"123456789", 9, record, 0)
    rig.expect(bytes(record[:4]) == b"\x26\x39\xf4\xcb", "it is another CRC than IEEE's")
    store.put_crc(memoryview(numbers)[:2], 8, numbers, 8)
    struct.pack_into("<I", wanted, 0, binascii.crc32(memoryview(numbers)[:2]))
    rig.expect(numbers[2] == struct.unpack("<I", wanted)[0], "a CRC into words")


def _kept(rig):
    """A document kept open: rewritten without an allocation."""
    kept = rig.board.store.keep("conformance")
    first = b"0123456789abcdef"
    second = b"fedcba9876543210"
    kept.write(first)
    rig.expect(kept.read() == first, "a kept document was not written")
    micropython.heap_lock()
    try:
        for _ in range(20):
            kept.write(first)
            kept.write(second)
        allocated = False
    except MemoryError:
        allocated = True
    finally:
        micropython.heap_unlock()
    rig.expect(not allocated, "rewriting a kept document allocates memory")
    if not allocated:
        rig.expect(kept.read() == second, "a kept document was not replaced")
        rig.expect(rig.board.store.keep("conformance").read() == second, "a kept document is not on flash")
    words = array("I", [1, 2, 1073741823])
    kept = rig.board.store.keep("conformance-words")
    kept.write(words)
    rig.expect(kept.read() == bytes(memoryview(words)), "a kept document of words was not written whole")


def _folder(rig):
    folder = rig.board.store.folder("conformance-folder")
    rig.expect(folder.sizes() == {}, "a folder is not empty at first")
    file = folder.append("a")
    data = b"0123456789" * 10
    file.write(data)
    file.flush()
    micropython.heap_lock()
    try:
        for _ in range(50):
            file.write(data)
            file.flush()
    finally:
        micropython.heap_unlock()
    file.close()
    rig.expect(folder.sizes() == {"a": 5100}, "a file did not grow as it was written to")
    file = folder.append("a")
    file.write(b"end")
    file.close()
    file = folder.read("a")
    file.seek(5096)
    found = bytearray(9)
    rig.expect(file.readinto(found) == 7 and found[:7] == b"6789end", "a file does not hold what was written")
    file.close()
    folder.remove("a")
    folder.remove("a")
    rig.expect(folder.sizes() == {}, "a file was not removed")


def _motor_disables(rig):
    """Behind a cut enable line steps are driven and missed, and the motor goes on afterwards."""
    motor = rig.board.motor
    rig.settle()
    before = motor.executed()
    missed = motor.lost_steps()
    rig.expect(motor.feedback in (True, False), "motor.feedback is stated")
    rig.expect(0 <= missed <= before, "missed() is %d of %d executed" % (missed, before))
    motor.disable()
    motor.disable()
    rig.wait_until(rig.append(5, rig.now_us() + 5000) + 1000)
    rig.expect(motor.executed() - before == 5, "a disabled motor does not count what is driven")
    rig.expect(motor.lost_steps() - missed == 5, "steps of a disabled motor are not missed")
    motor.enable()
    motor.enable()
    missed = motor.lost_steps()
    rig.wait_until(rig.append(5, rig.now_us() + 5000) + 1000)
    rig.expect(motor.lost_steps() == missed, "steps are missed after enable")
    rig.expect(motor.executed() - before == 10, "a motor enabled again does not go on")
    survived = motor.steps_before_reset()
    rig.expect(isinstance(survived, int) and survived >= -1, "steps_before_reset() is no count")
    known = rig.board.reset_cause() == 3
    rig.expect(survived == -1 or known, "steps survived what was no reset")


def _sensors(rig):
    sensors = rig.board.sensors
    rig.expect(sensors.NO_READING == -(1 << 29), "NO_READING is not -2^29")
    for _ in range(3):
        sensors.sample()
        for reading in (
            sensors.temperature_mc,
            sensors.battery_mv,
            sensors.upstream_pa,
            sensors.downstream_pa,
        ):
            rig.expect(isinstance(reading, int) and -(1 << 29) <= reading < 1 << 29, "a reading is no number")


def _latch(rig):
    latch = rig.board.latch
    kept = latch.get()
    for word in (0x3FFFFFFF, 0, 0x2AAAAAAA, 1):
        latch.put(word)
        rig.expect(latch.get() == word, "the latch does not hold %x" % word)
    latch.put(kept)


def _panel(rig):
    board = rig.board
    rig.expect(board.button.presses() >= 0, "presses() is no count")
    for pattern in (3, 1, 0, 2, 0):
        board.buzzer.play(pattern)
    rig.expect(board.buzzer.works(), "the buzzer says that it does not sound")
    for pattern in (-1, 4):
        refused = False
        try:
            board.buzzer.play(pattern)
        except ValueError:
            refused = True
        rig.expect(refused, "the buzzer takes pattern %d" % pattern)
    board.led(True)
    board.led(False)
    rig.expect(board.code.check() in (-1, 0, 1), "code.check() is no verdict")


def _watchdog(rig):
    """Comes last: it cannot be stopped. A wait longer than the time-out after a feed does not concern it."""
    watchdog = rig.board.watchdog
    for timeout_ms in (0, 8389):
        refused = False
        try:
            watchdog.start(timeout_ms)
        except ValueError:
            refused = True
        rig.expect(refused, "the watchdog takes a time-out of %d ms" % timeout_ms)
    watchdog.start(200)
    for _ in range(3):
        watchdog.feed()
        until_us = rig.now_us() + 300000
        while rig.now_us() < until_us:
            rig.board.wait_us(until_us - rig.now_us())
            watchdog.feed()
    watchdog.start(8388)
    watchdog.feed()


def _allocation(rig):
    """The dose path allocates nothing."""
    first_us = rig.now_us() + 3000
    buffer = bytearray(8)
    _dose_path(rig, first_us, buffer)  # once before, for what is made at first use
    first_us = rig.now_us() + 3000
    micropython.heap_lock()
    try:
        _dose_path(rig, first_us, buffer)
        allocated = False
    except MemoryError:
        allocated = True
    finally:
        micropython.heap_unlock()
    rig.expect(not allocated, "the dose path allocates memory")
    rig.settle()


def _dose_path(rig, first_us, buffer):
    board = rig.board
    last_us = rig.append(6, first_us)
    rig.append(6, last_us + 5000)
    rig.wait_until(first_us + 10000)
    board.serial.readinto(buffer)
    board.serial.listen(False)
    board.serial.listen(True)
    board.motor.executed()
    board.motor.in_flight()
    board.motor.lost_steps()
    board.sensors.sample()
    board.watchdog.feed()
    board.latch.put(board.latch.get())
    board.button.presses()
    board.buzzer.play(0)
    board.buzzer.works()
    board.led(False)
    rig.wait_until(last_us)
    board.motor.cancel()
    board.motor.disable()
    board.motor.enable()


def findings(board, late_us=3000):
    """Every promise that the board does not keep, as texts. late_us: how late a wait may end."""
    rig = Rig(board, late_us)
    _names(rig)
    _time(rig)
    _silence(rig)
    _motor_counts(rig)
    _motor_copies(rig)
    _motor_joins(rig)
    _motor_cancels(rig)
    _motor_bounds(rig)
    _motor_disables(rig)
    _sensors(rig)
    _latch(rig)
    _panel(rig)
    _store(rig)
    _crc(rig)
    _kept(rig)
    _folder(rig)
    _allocation(rig)
    _watchdog(rig)
    return rig.found
