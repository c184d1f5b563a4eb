"""The keeper: carries the state of therapy into the ledger and, after a reset, back out of it.

What must not be lost, and where it is:

    ledger            time, reserved steps, stop or flow, bridge and plan progress, lockout, next periodic
                      boluses, clock offset, hourly counts for the rolling limits; rewritten with every change
    program-0, -1     the committed program; the ledger says which counts, so a commit is one save (DEL-07)
    fillings-0, -1    drugs and reservoir, likewise
    boluses           when the last patient boluses were given; unreadable: the lockout is active (BOL-08)

After a reset the pump goes on by itself from the last saved time: nobody knows how long it was off, so
every lockout and window only gets longer. Boluses under way end with the power; a bridge and a plan go on
where the ledger has them. What cannot be trusted stops therapy: no program is loaded, and a new one makes
a new start (INT-04).

Called by: `pump.pump` (`start`, `serve`), `pump.link.proposals` (`keep_program`), `pump.dosing.flow`
(`reserve`). `serve`, `reserve` and `save` never allocate."""

from pump.dosing.source import BRIDGE, IDLE, PERIODIC, RUNNING, SUSPENDED
from pump.records import ledger as ledgers
from pump.records.documents import Document, DocumentError
from pump.therapy.bounds import MAX_PATIENT_PER_24H, Unacceptable
from pump.therapy.fillings import FILLINGS
from pump.therapy.prescription import Prescription
from wire import codec, messages

_SMALL = 0x3FFFFFFF  # 30 bits: counts are kept as two of them
_SPLIT = 30
_SAVE_EVERY_S = 1800

# words of the ledger
_TIME_S, _TIME_US, _STEPS, _STEPS_HIGH, _PRIMED, _PRIMED_HIGH = 0, 1, 2, 3, 4, 5
_OFFSET_DAY, _OFFSET_S, _OFFSET_US = 6, 7, 8
_FLAGS, _PROGRAM, _FILLINGS, _NEXT_REF, _RESETS = 9, 10, 11, 12, 13
_RESUME, _PAUSE, _LOCKOUT = 14, 16, 18  # instants: two words each
_PLAN, _PLAN_NEXT = 20, 21
_BRIDGE, _BRIDGE_END = 23, 24
_PERIODIC = 26
_RUNNING = 34
_HOURS = 35
_WORDS = 60

_FLOWING = 1
_PAUSED_TOO_LONG = 2
_PLAN_HELD = 4
_PROGRAMMED = 8

NOTE_RESTORED = 22
NOTE_INTERRUPTED = 23
NOTE_DISTRUSTED = 24

# Why therapy could not be restored: code of NOTE_DISTRUSTED, and words for docs/storage.md.
LEDGER_CORRUPT = ledgers.CORRUPT
LEDGER_OTHER_VERSION = ledgers.OTHER_VERSION
PROGRAM_UNREADABLE = 4
FILLINGS_UNREADABLE = 5


class Keeper:
    """The pump's memory across resets."""

    def __init__(self, store, timebase, course, log, bounds):
        self._store = store
        self._timebase = timebase
        self._course = course
        self._delivery = course.delivery
        self._log = log
        self._bounds = bounds
        self._ledger = ledgers.Ledger(store.keep("ledger"), _WORDS)
        self._bolus_file = store.keep("boluses")
        self._bolus_bytes = bytearray(8 * MAX_PATIENT_PER_24H + 8)
        self._saved_s = 0
        self._saved_steps = 0
        self._hour = 0
        self._committing = False
        self.distrust = 0
        self.failed = False  # the last write failed
        self.program = b""

    # --- the steady path ---

    def serve(self) -> None:
        """Save what has changed, and reserve more steps while half of the last reservation is unused."""
        delivery = self._delivery
        due = self._timebase.s - self._saved_s >= _SAVE_EVERY_S
        if delivery.flowing and delivery.steps_left() < delivery.reserve_steps // 2:
            self.reserve()
        elif delivery.changed or due:
            self.save()

    def reserve(self) -> bool:
        """Put one more reservation on record; False when that fails, and no step may then follow.

        Also False while a program is being committed: nothing of it flows before it is on record."""
        if self._committing:
            return False
        delivery = self._delivery
        permit = delivery.permit
        delivery.permit = delivery.steps_handed_out() + self._delivery.reserve_steps
        if self.save():
            return True
        delivery.permit = permit
        return False

    def save(self) -> bool:
        """Write the ledger as things stand; False when the flash failed."""
        self._collect()
        try:
            self._ledger.save()
        except OSError:
            self.failed = True
            return False
        self.failed = False
        self._delivery.changed = False
        self._saved_s = self._timebase.s
        self._saved_steps = self._delivery.dose_steps()
        return True

    def _collect(self) -> None:
        words = self._ledger.words
        delivery = self._delivery
        time = self._timebase
        words[_TIME_S] = time.s
        words[_TIME_US] = time.us
        steps = delivery.steps_base + delivery.permit
        words[_STEPS] = steps & _SMALL
        words[_STEPS_HIGH] = steps >> _SPLIT
        words[_PRIMED] = delivery.prime_steps & _SMALL
        words[_PRIMED_HIGH] = delivery.prime_steps >> _SPLIT
        local = delivery.local
        words[_OFFSET_DAY] = local.offset_day & 0xFFFF
        words[_OFFSET_S] = local.offset_s
        words[_OFFSET_US] = local.offset_us
        words[_NEXT_REF] = delivery.next_ref
        self._put(_RESUME, delivery.resume_at)
        self._put(_PAUSE, delivery.pause_alarm_at)
        self._put(_LOCKOUT, self._course.boluses.lockout_from)
        self._collect_flags(words, delivery)
        self._collect_sources(words, delivery)
        self._mark_hours(words, time.s // 3600)

    def _put(self, word: int, instant) -> None:
        self._ledger.words[word] = instant.s
        self._ledger.words[word + 1] = instant.us

    def _collect_flags(self, words, delivery) -> None:
        flags = 0
        if delivery.flowing:
            flags |= _FLOWING
        if delivery.paused_too_long:
            flags |= _PAUSED_TOO_LONG
        if self._course.prescription is not None:
            flags |= _PROGRAMMED
        plan = delivery.plan
        if plan is not None:
            words[_PLAN] = plan.index
            if plan.held:
                flags |= _PLAN_HELD
                self._put(_PLAN_NEXT, plan.left)
            else:
                self._put(_PLAN_NEXT, plan.next)
        words[_FLAGS] = flags

    def _collect_sources(self, words, delivery) -> None:
        running = 0
        at = _PERIODIC
        for source in delivery.all_sources:
            if source.state != IDLE:
                running |= 1 << source.kind
            if source.kind == PERIODIC:
                self._put(at, source.next)
                at += 2
            elif source.kind == BRIDGE:
                words[_BRIDGE] = source.state
                self._put(_BRIDGE_END, source.end if source.state == RUNNING else source.left)
        words[_RUNNING] = running

    def _mark_hours(self, words, hour: int) -> None:
        """The count at each full hour of the last day; what is not known exactly counts as given later."""
        for mark in range(max(self._hour + 1, hour - ledgers.HOURS + 1), hour + 1):
            words[_HOURS + mark % ledgers.HOURS] = self._saved_steps & _SMALL
        self._hour = hour

    # --- commands ---

    def commit_program(self, canonical, apply) -> None:
        """Put a program on record and in force: at every power cut the old or the new one, whole (INT-06).

        Its bytes are written first, beside those of the running one, while that goes on; then `apply(s,
        us)` makes the switch at one instant, with the motor held; the ledger that names the new program
        frees it."""
        number = self._ledger.words[_PROGRAM] + 1
        self._write("program-%d" % (number & 1), number, canonical)
        fillings = len(self._course.fillings.list)
        self._committing = True
        try:
            apply(self._timebase.s, self._timebase.us)
        finally:
            self._committing = False
        if len(self._course.fillings.list) != fillings:
            self._write_fillings()
        self._ledger.words[_PROGRAM] = number
        self.program = canonical
        self.distrust = 0
        self._delivery.reserve_steps = ledgers.reserve_steps(self._course.prescription.step_volume_pl)
        self.reserve()
        self._delivery.serve(self._timebase.s, self._timebase.us)

    def keep_refill(self) -> None:
        """The reservoir was filled: on record before it is answered."""
        self._write_fillings()
        self.save()

    def _write_fillings(self) -> None:
        number = self._ledger.words[_FILLINGS] + 1
        data = codec.encoded(FILLINGS, self._course.fillings.as_values())
        self._write("fillings-%d" % (number & 1), number, data)
        self._ledger.words[_FILLINGS] = number

    def _write(self, name: str, number: int, data) -> None:
        try:
            Document(self._store, name).write(number, data)
        except OSError:
            self.failed = True
            raise Unacceptable("storage", name)

    def keep_boluses(self) -> None:
        """Write when the patient's boluses were given."""
        self._course.boluses.pack_given(self._bolus_bytes)
        Document.seal(self._bolus_bytes)
        try:
            self._bolus_file.write(self._bolus_bytes)
        except OSError:
            self.failed = True

    # --- boot ---

    def start(self) -> None:
        """Take up therapy where the ledger has it, or say why not. Call once, before anything runs.

        The timebase must be of this very moment: from here on the motor goes by the pump's clock."""
        found = self._ledger.load()
        words = self._ledger.words
        self._delivery.reserve = self.reserve
        if found != ledgers.EMPTY:
            words[_RESETS] += 1
        if found == ledgers.GOOD:
            self._timebase.s = words[_TIME_S]
            self._timebase.us = words[_TIME_US]
        self._delivery.motor.set_epoch(self._timebase.s, self._timebase.us)
        if found == ledgers.GOOD:
            try:
                self._restore(words)
            except (DocumentError, codec.WireError) as error:
                self._refuse(error.args[0] if isinstance(error, DocumentError) else PROGRAM_UNREADABLE)
        elif found != ledgers.EMPTY:
            self._refuse(found)
        self.save()

    def _refuse(self, why: int) -> None:
        self.distrust = why
        self._log.note(NOTE_DISTRUSTED, why, 0, 0, 0)

    def resets(self) -> int:
        return self._ledger.words[_RESETS]

    def _restore(self, words) -> None:
        delivery = self._delivery
        course = self._course
        delivery.steps_base = words[_STEPS] | words[_STEPS_HIGH] << _SPLIT
        delivery.prime_steps = words[_PRIMED] | words[_PRIMED_HIGH] << _SPLIT
        delivery.local.set_offset(words[_OFFSET_DAY], words[_OFFSET_S], words[_OFFSET_US])
        delivery.next_ref = words[_NEXT_REF]
        self._restore_history(words)
        if not words[_FLAGS] & _PROGRAMMED:
            return
        number = words[_FILLINGS]
        data = Document(self._store, "fillings-%d" % (number & 1)).read(number, FILLINGS_UNREADABLE)
        fillings = codec.decode(FILLINGS, data, 0, len(data))
        number = words[_PROGRAM]
        program = Document(self._store, "program-%d" % (number & 1)).read(number, PROGRAM_UNREADABLE)
        fields = messages.proposal_fields(messages.PROPOSAL_PROGRAM)
        prescription = Prescription(codec.decode(fields, program, 0, len(program)), self._bounds)
        prescription.forget_steps()
        course.fillings.restore(fillings)
        self.program = program
        delivery.reserve_steps = ledgers.reserve_steps(prescription.step_volume_pl)
        course.restore(prescription, self._timebase.s, self._timebase.us)
        self._restore_progress(words)
        self._restore_boluses(words)
        delivery.at.set(self._timebase.s, self._timebase.us)
        delivery.go_on(self._timebase.s, self._timebase.us, True)
        self._log.note(NOTE_RESTORED, 0, words[_RESETS] & 0xFFFF, delivery.steps_base, 0)

    def _restore_progress(self, words) -> None:
        delivery = self._delivery
        s = self._timebase.s
        us = self._timebase.us
        delivery.flowing = words[_FLAGS] & _FLOWING != 0
        delivery.paused_too_long = words[_FLAGS] & _PAUSED_TOO_LONG != 0
        delivery.resume_at.set(words[_RESUME], words[_RESUME + 1])
        delivery.pause_alarm_at.set(words[_PAUSE], words[_PAUSE + 1])
        if delivery.plan is not None:
            held = words[_FLAGS] & _PLAN_HELD != 0
            delivery.plan.restore(words[_PLAN], held, words[_PLAN_NEXT], words[_PLAN_NEXT + 1])
        at = _PERIODIC
        for source in delivery.all_sources:
            if source.kind == PERIODIC:
                if source.is_prescribed():
                    source.next.set(words[at], words[at + 1])
                at += 2
            elif source.kind == BRIDGE and words[_BRIDGE] != IDLE:
                source.restore(words[_BRIDGE] == SUSPENDED, words[_BRIDGE_END], words[_BRIDGE_END + 1])
            elif words[_RUNNING] >> source.kind & 1:
                self._log.note_at(s, us, NOTE_INTERRUPTED, source.kind, 0, 0, 0)

    def _restore_history(self, words) -> None:
        """Hourly counts as the windows' past; the whole reservation counts as given just now."""
        history = self._delivery.history
        total = self._delivery.steps_base - self._delivery.prime_steps
        hour = self._timebase.s // 3600
        self._hour = hour
        for mark in range(max(0, hour - ledgers.HOURS + 1), hour + 1):
            behind = (total - words[_HOURS + mark % ledgers.HOURS]) & _SMALL
            history.mark_rough(mark * 3600, 0, total - behind)
        history.mark_rough(self._timebase.s, self._timebase.us, total)
        self._saved_steps = total

    def _restore_boluses(self, words) -> None:
        """Lockout and the patient's last boluses; a history that cannot be read means lockout from now
        (BOL-08)."""
        boluses = self._course.boluses
        data = self._bolus_file.read()
        if data is None or not data:
            boluses.lockout_from.set(words[_LOCKOUT], words[_LOCKOUT + 1])
        elif Document.is_sealed(data) and len(data) == len(self._bolus_bytes):
            boluses.lockout_from.set(words[_LOCKOUT], words[_LOCKOUT + 1])
            boluses.unpack_given(data)
        else:
            boluses.distrust_history(self._timebase.s, self._timebase.us)
