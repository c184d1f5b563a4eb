"""The whole guard on a rig: the real supervisor around the real dosing core, on a board made of settable
parts.

Runs under CPython and MicroPython alike. What physically moves is `board.motor.moved`."""

from firmware.dosing.rig import MILLION, Rig, RigLog, RigMotor, therapy
from pump.safety.readiness import Readiness
from pump.safety.supervisor import EVALUATE_RUNS, Supervisor
from pump.therapy.bounds import Bounds, Refused
from pump.therapy.prescription import Prescription
from pump.units import Instant

NO_READING = -(1 << 29)


class Motor(RigMotor):
    """A motor that can stall, run away and be cut off."""

    def __init__(self):
        RigMotor.__init__(self)
        self.stalled = False
        self.enabled = True
        self.lost = 0
        self.settled = 0
        self.extra = 0  # steps that nobody asked for

    def settle(self):
        before = len(self.made)
        RigMotor.settle(self)
        newly = len(self.made) - before
        if self.stalled or not self.enabled:
            self.lost += newly

    def run_away(self, steps):
        """The driver makes steps of its own; its count sees them."""
        if self.enabled:
            self.extra += steps

    def executed(self):
        return RigMotor.executed(self) + self.extra

    def supply(self):
        return -1

    def lost_steps(self):
        self.settle()
        return self.lost

    def moved(self):
        return self.executed() - self.lost

    def disable(self):
        self.settle()
        self.enabled = False

    def enable(self):
        self.settle()
        self.enabled = True


class Sensors:
    NO_READING = NO_READING

    def __init__(self):
        self.temperature_mc = self.battery_mv = self.upstream_pa = self.downstream_pa = NO_READING
        self.shown = [37_000, 3_000, 0, 1_000]
        self.noise = [1, 1, 1, 1]
        self.samples = 0

    def show(self, sensor, value):
        """None: nothing."""
        self.shown[sensor] = value

    def sample(self):
        self.samples += 1
        values = []
        for i in range(4):
            shown = self.shown[i]
            values.append(NO_READING if shown is None else shown + self.noise[i] * (self.samples % 3))
        self.temperature_mc, self.battery_mv, self.upstream_pa, self.downstream_pa = values


class Buzzer:
    def __init__(self, motor):
        self.motor = motor
        self.played = []
        self.broken = False

    def play(self, pattern):
        self.played.append((self.motor.now_us // MILLION, pattern))

    def works(self):
        return not self.broken


class Word:
    def __init__(self):
        self.word = 0

    def get(self):
        return self.word

    def put(self, word):
        self.word = word


class Store:
    def __init__(self):
        self.documents = {}
        self.fails = False

    def load(self, name):
        return self.documents.get(name)

    def save(self, name, data):
        if self.fails:
            raise OSError(5)
        self.documents[name] = bytes(data)


class Watchdog:
    def __init__(self):
        self.fed = 0

    def start(self, timeout_ms):
        self.timeout_ms = timeout_ms

    def feed(self):
        self.fed += 1


class Code:
    """`good`: 1 all files are, 0 the last one is not, -1 there is no manifest."""

    FILES = 60

    def __init__(self):
        self.good = 1
        self.at = 0

    def check(self):
        return self.good

    def check_next(self):
        self.at = at = (self.at + 1) % self.FILES
        if self.good < 0 or at == 0:
            return self.good
        return 2


class Board:
    def __init__(self, motor, store=None, latch=None):
        self.motor = motor
        self.sensors = Sensors()
        self.buzzer = Buzzer(motor)
        self.latch = latch or Word()
        self.store = store or Store()
        self.watchdog = Watchdog()
        self.code = Code()
        self.refills = {}  # on flash

    def ticks_us(self):
        return self.motor.now_us & 0x3FFFFFFF


class Restarts:
    too_many = False

    def are_long_ago(self, s):
        return True


class Persistence:
    restarts = Restarts()
    failed = False
    distrust = 0
    refused_format = 0

    def resets(self):
        return 0

    def reload(self):
        pass

    def keep_refill(self, before):
        pass


class Log(RigLog):
    """Notes as (s, kind, code, ref, a, b)."""

    def __init__(self, time):
        RigLog.__init__(self)
        self.time = time

    def note(self, kind, code, ref, a, b):
        self.note_at(self.time.s, 0, kind, code, ref, a, b)

    def note_at(self, s, us, kind, code, ref, a, b):
        self.notes.append((s, kind, code, ref, a, b))

    def kinds(self, kind):
        return [note for note in self.notes if note[1] == kind]


class Guarded(Rig):
    """Delivery, course and guard under a clock that jumps from deadline to deadline."""

    def __init__(self, start_us=0, board=None, **changes):
        Rig.__init__(self, start_us)
        self.time = Instant(0, 0)
        old_motor = self.motor
        self.motor = Motor()
        self.motor.now_us = old_motor.now_us
        self.delivery.motor = self.delivery.count.motor = self.motor
        self.board = board or Board(self.motor)
        self.board.motor = self.motor
        self.board.buzzer.motor = self.motor
        self.log = Log(self.time)
        self.delivery.log = self.delivery.sources.log = self.controller.log = self.log
        self.persistence = Persistence()
        self.guard = Supervisor(
            self.board, self.time, self.controller, self.log, self.persistence, Bounds().floor_pl_per_day
        )
        self.readiness = Readiness(
            self.guard, self.board, self.time, self.controller, self.log, self.persistence
        )
        self.tick()
        if self.board.refills:
            self.controller.reservoir_fills.refills = self.board.refills
        self.readiness.start_up()
        if changes:
            self.program(**changes)

    def tick(self):
        self.time.set(*self.now())

    def program(self, **changes):
        self.tick()
        values = therapy(**changes)
        self.controller.commit(Prescription(values, Bounds()), *self.now())

    def turn(self):
        self.tick()
        s, us = self.now()
        self.delivery.apply_due(s, us)
        guard = self.guard
        if s >= guard.due_s or guard.runs >= EVALUATE_RUNS or guard.alarms.changed:
            guard.evaluate(s, us)

    def run_to(self, until_us, each=None):
        """Let time pass; `each` is called after every turn."""
        while True:
            self.turn()
            if each is not None:
                each()
            if self.motor.now_us >= until_us:
                return
            wake = self.delivery.wake
            wake_us = wake.s * MILLION + wake.us
            wake_us = min(
                max(self.motor.now_us + 1, wake_us), max(self.motor.now_us + 1, self.guard.wake_s * MILLION)
            )
            self.motor.now_us = min(wake_us, until_us)

    def run_for(self, seconds, each=None):
        self.run_to(self.motor.now_us + seconds * MILLION, each)

    def state(self):
        return self.guard.state()

    def standing(self):
        return [n for n in range(1, 27) if self.guard.alarms.stands(n)]

    def bolus(self, dose_ng, duration_s):
        self.tick()
        values = {"dose_ng": dose_ng, "duration_us": duration_s * MILLION, "extended": 0}
        return self.controller.boluses.start_clinician(values, *self.now())


def refused(action, *values, **named):
    """The reason of a refusal, or None."""
    try:
        action(*values, **named)
    except Refused as error:
        return error.reason
    return None


def rig(**changes):
    """A guarded pump that has infused 20 mg/day for ten minutes."""
    found = Guarded(1_000_000_000_123, **{"basal_dose_ng_per_day": 20_000_000, **changes})
    found.run_for(600)
    return found
