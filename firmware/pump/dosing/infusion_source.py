"""A source of flow beside the basal one: a bolus of any kind, with a dose, a duration and a clock of its own.

A source adds the constant rate dose/duration for exactly its duration, counted in microseconds it was let
run: a bolus that gives way to a patient bolus keeps its remainder exactly (BOL-02). Steady-path
methods (`start`, `suspend`, `finish`) never allocate; `prescribe` does and is called by commands only."""

from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY
from pump.dosing.scale import Fraction, bolus_rate
from pump.units import PL_PER_ML, Instant
from thecal_protocol import events as event
from thecal_protocol.bolus_kinds import BRIDGE, GIVING_WAY, GOING_FIRST, KINDS, PERIODIC_BOLUS

VOLUME_LIMBS = 5  # picolitres up to 2^75

IDLE = 0
RUNNING = 1
SUSPENDED = 2


class InfusionSource:
    """One slot for a bolus. `kind` is fixed; what it gives is prescribed anew for each bolus."""

    def __init__(self, kind: int):
        self.kind = kind
        self.ref = 0  # number of the bolus that runs or ran last
        self.state = IDLE
        self.dose_ng = 0
        self.duration_us = 0
        self.rate = Fraction()
        self.parts = bigint.new(CAPACITY)  # the rate in the present scale
        self.end = Instant()  # while RUNNING: the instant at which the whole dose has been given
        self.left = Instant(0, 0)  # while SUSPENDED: the span still to run
        self._span = Instant(0, 0)
        self._concentration_ng_per_ml = 1
        self.volume_pl = 0
        self.volume = bigint.new(VOLUME_LIMBS)

    def prescribe(self, dose_ng: int, duration_us: int, concentration_ng_per_ml: int) -> None:
        """Say what a bolus from this slot gives. Commands only: allocates."""
        self.dose_ng = dose_ng
        self.duration_us = duration_us
        self.rate = bolus_rate(dose_ng, duration_us)
        self._span.set_us(duration_us)
        self._concentration_ng_per_ml = concentration_ng_per_ml
        self.volume_pl = dose_ng * PL_PER_ML // concentration_ng_per_ml
        bigint.load(self.volume, VOLUME_LIMBS, self.volume_pl)

    def prescribe_volume(self, volume_pl: int, rate: Fraction, duration_us: int) -> None:
        """A prime or bridge: a volume at a rate (parts of the scale), ended by volume, not by dose."""
        self.dose_ng = 0
        self.duration_us = duration_us
        self.rate = rate
        self._span.set_us(duration_us)
        self.volume_pl = volume_pl
        bigint.load(self.volume, VOLUME_LIMBS, volume_pl)

    def withdraw(self) -> None:
        """Nothing is prescribed any more."""
        self.duration_us = 0

    def is_prescribed(self) -> bool:
        return self.duration_us > 0

    def start(self, s: int, us: int, ref: int) -> None:
        self.ref = ref
        self.state = RUNNING
        self.end.set(s, us)
        self.end.add(self._span.s, self._span.us)

    def suspend(self, s: int, us: int) -> None:
        """Give way; the remainder is kept to the microsecond."""
        self.left.set(self.end.s, self.end.us)
        self.left.subtract(s, us)
        self.state = SUSPENDED

    def resume(self, s: int, us: int) -> None:
        self.end.set(s, us)
        self.end.add(self.left.s, self.left.us)
        self.state = RUNNING

    def restore(self, suspended: bool, s: int, us: int) -> None:
        """Take back where it stood: (s, us) is the span left when suspended, else the instant of its end."""
        if suspended:
            self.state = SUSPENDED
            self.left.set(s, us)
        else:
            self.state = RUNNING
            self.end.set(s, us)

    def finish(self) -> None:
        self.state = IDLE

    def left_us(self, s: int, us: int) -> int:
        """Microseconds it has still to run: never less than 0 or more than all, whatever a fault has left."""
        left_us = 0
        if self.state == RUNNING:
            left_us = self.end.total_us() - (s * 1_000_000 + us)
        elif self.state == SUSPENDED:
            left_us = self.left.total_us()
        return min(max(0, left_us), self.duration_us)

    def given_pl(self, s: int, us: int) -> int:
        """What it has given by now, rounded down to 1 pL."""
        ran_us = self.duration_us - self.left_us(s, us)
        if self.dose_ng == 0:
            return self.volume_pl * ran_us // self.duration_us
        return self.dose_ng * PL_PER_ML * ran_us // (self._concentration_ng_per_ml * self.duration_us)


class Periodic(InfusionSource):
    """A bolus the pump gives by itself: first at a time after the commit, then every so often."""

    def __init__(self):
        InfusionSource.__init__(self, PERIODIC_BOLUS)
        self.next = Instant()
        self._every = Instant(0, 0)
        self.every_us = 0

    def repeat(self, first_s: int, first_us: int, every_us: int) -> None:
        self.every_us = every_us
        self._every.set_us(every_us)
        self.next.set(first_s, first_us)

    def move_on(self) -> None:
        """The next one is due one period later: from the schedule, not from when it was served."""
        self.next.add(self._every.s, self._every.us)

    def cancel(self) -> None:
        self.withdraw()
        self.state = IDLE
        self.next.set_never()


class Sources:
    """All sources of a delivery: starts and ends them, puts that on record, adds up what each kind gave."""

    def __init__(self, slots, log):
        self.log = log
        self.adding = slots.sources  # to the basal rate;
        self.exclusive = slots.exclusive  # while one of these runs, it alone flows
        self.all = slots.sources + slots.exclusive
        self.next_ref = 1
        self.totals = tuple([bigint.new(VOLUME_LIMBS) for _ in range(KINDS)])  # pl given, by kind

    def end_due(self, s: int, us: int) -> None:
        """Those that have given all are over; what gave way to them goes on."""
        for source in self.all:
            if source.state == RUNNING and source.end.by(s, us):
                source.finish()
                bigint.add(self.totals[source.kind], source.volume, VOLUME_LIMBS)
                self.log.note_at(s, us, event.BOLUS_DELIVERED, source.kind, source.ref, source.volume_pl, 0)
                if source.kind in GOING_FIRST:
                    for other in self.adding:
                        if other.state == SUSPENDED:
                            other.resume(s, us)

    def start_due(self, s: int, us: int, flows: bool) -> None:
        """Periodic boluses that are due; in a stop, prime or bridge they are left out (BOL-06, -09)."""
        for source in self.adding:
            if source.kind == PERIODIC_BOLUS and source.next.by(s, us):
                source.move_on()
                if flows and self.exclusive_running() is None:
                    self.start(source, s, us)
                else:
                    self.log.note_at(s, us, event.BOLUS_LEFT_OUT, PERIODIC_BOLUS, 0, source.dose_ng, 0)

    def exclusive_running(self):
        """The prime or bridge that is under way, also while a stop holds it; None when there is none."""
        for source in self.exclusive:
            if source.state:
                return source
        return None

    def take_ref(self) -> int:
        """A new number, that ties records of the log together."""
        ref = self.next_ref
        self.next_ref = ref + 1 if ref < 0xFFFF else 1
        return ref

    def start(self, source, s: int, us: int) -> int:
        """Let a prescribed source run from here; its number. The caller begins a new segment."""
        ref = self.take_ref()
        source.start(s, us, ref)
        if source.kind in GOING_FIRST:
            for other in self.adding:
                if other.kind in GIVING_WAY and other.state == RUNNING:
                    other.suspend(s, us)
        self.log.note_at(s, us, event.BOLUS_STARTED, source.kind, ref, source.dose_ng, source.duration_us)
        return ref

    def interrupt(self, s: int, us: int) -> None:
        """Boluses end, a bridge holds where it is."""
        for source in self.all:
            if source.kind == BRIDGE:
                if source.state == RUNNING:
                    source.suspend(s, us)
            elif source.state != IDLE:
                self.cut_short(source, s, us)

    def resume_bridge(self, s: int, us: int) -> None:
        for source in self.exclusive:
            if source.kind == BRIDGE and source.state == SUSPENDED:
                source.resume(s, us)

    def cut_all_short(self, s: int, us: int) -> None:
        """End every source that runs or waits."""
        for source in self.all:
            if source.state != IDLE:
                self.cut_short(source, s, us)

    def cut_short(self, source, s: int, us: int) -> None:
        """End a bolus before its time; what it gave is recorded (BOL-07). Allocates."""
        given_pl = source.given_pl(s, us)
        source.finish()
        given = bigint.new(VOLUME_LIMBS)
        bigint.load(given, VOLUME_LIMBS, given_pl)
        bigint.add(self.totals[source.kind], given, VOLUME_LIMBS)
        self.log.note_at(s, us, event.BOLUS_CUT_SHORT, source.kind, source.ref, given_pl, 0)
