"""The state of therapy as the ledger's words: out of the running pump (`collect`) and back into it.

The layout is in docs/explanation/storage.md. Counts and instants are whole words; small numbers share one,
below 2^30 each, so that reading them back allocates nothing on a chip with 31-bit integers.

`collect` never allocates: it belongs to the steady path.
"""

from pump.dosing.infusion_source import IDLE, RUNNING, SUSPENDED
from thecal_protocol import events as event
from thecal_protocol.bolus_kinds import BRIDGE, PERIODIC_BOLUS

_SMALL = 0x3FFFFFFF  # 30 bits: counts are kept as this and 15 bits more
_SPLIT = 30
_NUMBER = 0x7FFF  # numbers of documents

TIME_S, TIME_US = 0, 1
_STEPS, _PRIMED, _HIGH = 2, 3, 4
_OFFSET_S, _OFFSET_US, _DAY_FLAGS = 5, 6, 7
_REF_PLAN = 8
_DOCUMENTS = 9
RESETS = 10
_RESUME, _PAUSE, _LOCKOUT = 11, 13, 15  # instants: two words each
_PLAN_NEXT, _BRIDGE_END = 17, 19
_PERIODIC = 21
_HOURS = 29
HOURS = 25
WORDS = _HOURS + HOURS

# above what they hold for themselves, the microseconds of the first six instants have ten bits each of: steps
# not seen to move, all (the first three) and those of primes; 0 before format 3
_MISSED, _PRIMES_MISSED = _RESUME + 1, _PLAN_NEXT + 1

_KNOWS_CLOCK_SET = 3  # the first format that does

# above what they hold for themselves, TIME_US, _OFFSET_US and _OFFSET_S have 10 bits each of the reservation
_TEN = 0x3FF
_US_BITS = 20
_US = (1 << _US_BITS) - 1
_S_BITS = 17

# _DAY_FLAGS: 16 bits of the clock's day (below 0 from 0xC000 on), then
_FLOWING = 1 << 16
_PAUSED_TOO_LONG = 1 << 17
_PLAN_HELD = 1 << 18
_PROGRAMMED = 1 << 19
_BRIDGE_AT = 20  # state of the bridge, 2 bits
_CLOCK_SET = 1 << 22  # since format 3
_RUNNING_AT = 22  # one bit per kind of bolus under way


class State:
    """What the words say, and where it goes in the running pump."""

    def __init__(self, words, controller, log):
        self._words = words
        self._controller = controller
        self._delivery = controller.delivery
        self._log = log
        self._hour = 0
        self._unmade = 0  # steps on record that are known not to have been made
        self.unproven = 0  # steps on record of which nobody knows
        self.saved_steps = 0  # dose steps when the words were last written
        self.program = 0  # numbers of the documents that count
        self.reservoir_fills = 0

    # --- out of the pump ---

    def collect(self, s: int, us: int) -> None:
        """The words as things stand at (s, us)."""
        words = self._words
        delivery = self._delivery
        words[TIME_S] = s
        self._collect_counts(us)
        words[_DOCUMENTS] = self.program | self.reservoir_fills << 15
        self._put(_RESUME, delivery.pause.resume_at)
        self._put(_PAUSE, delivery.pause.alarm_at)
        self._put(_LOCKOUT, self._controller.boluses.lockout_from)
        words[_REF_PLAN] = delivery.sources.next_ref
        flags = delivery.local.offset_day & 0xFFFF
        if delivery.flowing:
            flags |= _FLOWING
        if delivery.pause.too_long:
            flags |= _PAUSED_TOO_LONG
        if self._controller.prescription is not None:
            flags |= _PROGRAMMED
        if delivery.local.was_set:
            flags |= _CLOCK_SET
        words[_DAY_FLAGS] = flags | self._collect_plan() | self._collect_sources()
        self._share(_MISSED, delivery.count.lost_steps())
        self._share(_PRIMES_MISSED, delivery.count.primed_lost_steps())
        self._mark_hours(s // 3600)

    def _collect_counts(self, us: int) -> None:
        """Steps and the clock's offset, with the reservation in the bits above them."""
        words = self._words
        delivery = self._delivery
        permit = delivery.permit
        steps = delivery.count.base + permit
        if permit > _SMALL:
            permit = 0  # not known: all of it will count as made
        words[TIME_US] = us | (permit & _TEN) << _US_BITS
        primed = delivery.count.primes
        words[_STEPS] = steps & _SMALL
        words[_PRIMED] = primed & _SMALL
        words[_HIGH] = steps >> _SPLIT | primed >> _SPLIT << 15
        words[_OFFSET_S] = delivery.local.offset_s | permit >> 20 << _S_BITS
        words[_OFFSET_US] = delivery.local.offset_us | (permit >> 10 & _TEN) << _US_BITS

    def _share(self, word: int, count: int) -> None:
        """A count in the upper bits of three instants."""
        words = self._words
        if count > _SMALL:
            count = _SMALL
        for part in range(3):
            words[word] = words[word] & _US | (count >> 10 * part & _TEN) << _US_BITS
            word += 2

    def _parted(self, word: int) -> int:
        """The count that three instants share, which they no longer do."""
        words = self._words
        count = 0
        for part in range(3):
            count |= words[word] >> _US_BITS << 10 * part
            words[word] &= _US
            word += 2
        return count

    def _put(self, word: int, instant) -> None:
        self._words[word] = instant.s
        self._words[word + 1] = instant.us

    def _collect_plan(self) -> int:
        """Its words; the flag that it is held, or 0."""
        plan = self._delivery.plan
        if plan is None:
            return 0
        self._words[_REF_PLAN] |= plan.index << 16
        self._put(_PLAN_NEXT, plan.left if plan.paused else plan.next)
        return _PLAN_HELD if plan.paused else 0

    def _collect_sources(self) -> int:
        """Their words; the bits that say what is under way."""
        flags = 0
        at = _PERIODIC
        for source in self._delivery.sources.all:
            if source.state != IDLE:
                flags |= 1 << _RUNNING_AT + source.kind
            if source.kind == PERIODIC_BOLUS:
                self._put(at, source.next)
                at += 2
            elif source.kind == BRIDGE:
                flags |= source.state << _BRIDGE_AT
                self._put(_BRIDGE_END, source.end if source.state == RUNNING else source.left)
        return flags

    def _mark_hours(self, hour: int) -> None:
        """The count at each full hour of the last day; what is not known to the second counts as given
        later."""
        for mark in range(max(self._hour + 1, hour - HOURS + 1), hour + 1):
            self._words[_HOURS + mark % HOURS] = self.saved_steps & _SMALL
        self._hour = hour

    # --- and back ---

    def forget(self) -> None:
        """A new start: what the words said does not count."""
        for index in range(WORDS):
            self._words[index] = 0

    def is_programmed(self) -> bool:
        return self._words[_DAY_FLAGS] & _PROGRAMMED != 0

    def apply_steps_before_reset(self, steps_before_reset: int) -> bool:
        """Part the reservation from the instants it shares words with; what of it was not made does not
        count, if it is known: `steps_before_reset` since the boot that wrote this, -1 when nobody can tell.
        Was it known? Once, first of all."""
        words = self._words
        permit = words[TIME_US] >> _US_BITS | words[_OFFSET_US] >> _US_BITS << 10
        permit |= words[_OFFSET_S] >> _S_BITS << 20
        words[TIME_US] &= _US
        words[_OFFSET_US] &= _US
        words[_OFFSET_S] &= (1 << _S_BITS) - 1
        self._delivery.count.lost_base = self._parted(_MISSED)
        self._delivery.count.lost_primes = self._parted(_PRIMES_MISSED)
        if not 0 <= steps_before_reset <= permit:
            self.unproven = permit
            return False
        self._unmade = permit - steps_before_reset
        return True

    def restore_counts(self, form: int) -> None:
        """Steps, clock and history: what is true with or without a program. `form`: the records' format."""
        words = self._words
        delivery = self._delivery
        high = words[_HIGH]
        delivery.count.base = (words[_STEPS] | (high & 0x7FFF) << _SPLIT) - self._unmade
        delivery.count.primes = words[_PRIMED] | high >> 15 << _SPLIT
        local = delivery.local
        local.set_offset(words[_DAY_FLAGS] & 0xFFFF, words[_OFFSET_S], words[_OFFSET_US])
        local.was_set = words[_DAY_FLAGS] & _CLOCK_SET != 0
        if form < _KNOWS_CLOCK_SET:  # it did not say: a clock that is off its beginning was set
            local.was_set = (local.offset_day or local.offset_s or local.offset_us) != 0
        delivery.sources.next_ref = words[_REF_PLAN] & 0xFFFF
        self.program = words[_DOCUMENTS] & _NUMBER
        self.reservoir_fills = words[_DOCUMENTS] >> 15
        self._restore_history(words[TIME_S], words[TIME_US])

    def _restore_history(self, s: int, us: int) -> None:
        """Hourly counts as the windows' past; what was given since the last save counts as given just now."""
        history = self._delivery.history
        total = self._delivery.count.base - self._delivery.count.primes
        hour = s // 3600
        self._hour = hour
        for mark in range(max(0, hour - HOURS + 1), hour + 1):
            behind = (total - self._words[_HOURS + mark % HOURS]) & _SMALL
            history.mark_rough(mark * 3600, 0, total - behind)
        history.mark_rough(s, us, total)
        self.saved_steps = total

    def restore_progress(self) -> None:
        """Flow or stop, plan, bridge, periodic boluses, lockout: the program has been put back before."""
        words = self._words
        flags = words[_DAY_FLAGS]
        delivery = self._delivery
        delivery.set_flowing(flags & _FLOWING != 0)
        delivery.pause.too_long = flags & _PAUSED_TOO_LONG != 0
        delivery.pause.resume_at.set(words[_RESUME], words[_RESUME + 1])
        delivery.pause.alarm_at.set(words[_PAUSE], words[_PAUSE + 1])
        self._controller.boluses.lockout_from.set(words[_LOCKOUT], words[_LOCKOUT + 1])
        if delivery.plan is not None:
            held = flags & _PLAN_HELD != 0
            delivery.plan.restore(words[_REF_PLAN] >> 16, held, words[_PLAN_NEXT], words[_PLAN_NEXT + 1])
        self._restore_sources(flags)

    def _restore_sources(self, flags: int) -> None:
        """A bridge goes on, periodic boluses come when they are due; boluses under way ended with the
        power."""
        words = self._words
        at = _PERIODIC
        bridge = flags >> _BRIDGE_AT & 3
        for source in self._delivery.sources.all:
            if source.kind == PERIODIC_BOLUS:
                if source.is_prescribed():
                    source.next.set(words[at], words[at + 1])
                at += 2
            elif source.kind == BRIDGE and bridge != IDLE:
                source.restore(bridge == SUSPENDED, words[_BRIDGE_END], words[_BRIDGE_END + 1])
                continue
            under_way = 1 << _RUNNING_AT + source.kind
            if flags & under_way:
                flags &= ~under_way
                self._log.note_at(
                    words[TIME_S], words[TIME_US], event.BOLUS_INTERRUPTED, source.kind, 0, 0, 0
                )
