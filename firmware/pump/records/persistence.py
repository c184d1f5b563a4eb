"""Persistence: carries the state of therapy into the ledger and, after a reset, back out of it.

What must not be lost, and where it is (docs/explanation/storage.md):

    ledger            time, reserved steps, stop or flow, bridge and plan progress, lockout, next periodic
                      boluses, clock offset, hourly counts for the rolling limits; rewritten at every change
    program-0, -1     the committed program; the ledger says which one counts: a commit is one save (DEL-07)
    fillings-0, -1    drugs and reservoir, likewise
    boluses           when the last patient boluses were given; unreadable: the lockout is active (BOL-08)
    resets            when the last three were
    pump              whose records these are

After a reset the pump goes on by itself from the last saved time: nobody knows how long it was off, so
every lockout and window only gets longer. Boluses under way end with the power; a bridge and a plan go on
where the ledger has them. What cannot be trusted stops therapy: no program is loaded, nothing is written,
and a new program makes a new start (INT-04). When writes fail, therapy goes on until what is on record has
been given, then it stops for good.

Flash is slow: a write may take half a second, in which the pump does nothing else. So at rates at which the
motor's queue lasts no longer than that, the main loop calls `write_due` only right after the queue was
filled, and commands fill it first (`fill_queue`).

`write_due`, `reserve` and `save` never allocate.
"""

from pump.dosing.interlock import FAULT_OF_FLOW, STORAGE
from pump.records import ledger as ledgers
from pump.records import state as states
from pump.records.documents import Document, DocumentError
from pump.records.restarts import Restarts
from pump.therapy.bounds import MAX_PATIENT_PER_24H, Refused
from pump.therapy.prescription import Prescription
from pump.therapy.reservoir_fills import REFILLS, RESERVOIR_FILLS, RESERVOIR_FILLS_OF_0_1
from thecal_protocol import alarms as alarm
from thecal_protocol import codec, messages
from thecal_protocol import events as event

_SAVE_EVERY_S = 1800
_LAST_NUMBER = 0x7FFE  # even, as the next one is 1: two in a row never share a file


# What could not be trusted: code of event.RECORDS_DISTRUSTED (docs/explanation/storage.md). The numbers stay.
LEDGER_CORRUPT = ledgers.CORRUPT
LEDGER_OTHER_VERSION = ledgers.OTHER_VERSION
PROGRAM_UNREADABLE = 4
FILLS_UNREADABLE = 5
FLASH_UNREADABLE = 6  # no file system of ours, nor an erased flash: formatted
FLASH_FAILS = 7
ANOTHER_PUMP = 8
BOLUSES_UNREADABLE = 9  # therapy goes on, the lockout is active

_FORMATTED_OVER = 2  # the store's `found`


class Persistence:
    """The pump's memory across resets."""

    def __init__(self, board, timebase, controller, log, bounds):
        self._store = board.store
        self._ticks_us = board.ticks_us
        self._serial = board.serial_number.encode()
        self._timebase = timebase
        self._controller = controller
        self._delivery = controller.delivery
        self._log = log
        self._bounds = bounds
        self._ledger = ledgers.Ledger(board.store, states.WORDS)
        self._state = states.State(self._ledger.words, controller, log)
        self._bolus_file = board.store.keep("boluses")
        self._bolus_bytes = bytearray(8 * MAX_PATIENT_PER_24H + 8)
        self._saved_s = 0
        self.distrust = 0
        self.failed = False  # the last write failed
        self.restarts = Restarts(board.store)
        self.refused_format = 0  # of records that are another version's, and were not taken over
        self.program = b""
        self.alarms = None  # pump.safety.alarms, before anything is written

    # --- the steady path ---

    def is_due(self) -> bool:
        """Is there anything for `write_due` to do?"""
        delivery = self._delivery
        if delivery.changed or self._timebase.s - self._saved_s >= _SAVE_EVERY_S:
            return True
        return delivery.flowing and delivery.steps_left() < delivery.reserve_steps >> 1

    def _is_low(self) -> bool:
        delivery = self._delivery
        return delivery.flowing and delivery.steps_left() < delivery.reserve_steps // 2

    def write_due(self) -> None:
        """Save what has changed, and reserve more steps while half of the last reservation is unused. One
        write; not to be called when the motor's queue could run dry meanwhile (`Delivery.may_stall`)."""
        if self._is_low():
            self.reserve()
        else:
            self.save()

    def reserve(self) -> bool:
        """Put one more reservation on record; False when that fails, and no step may then follow."""
        delivery = self._delivery
        permit = delivery.permit
        delivery.set_permit(max(permit, delivery.motor.executed() + delivery.reserve_steps))
        if self.save():
            return True
        delivery.set_permit(permit)
        return False

    def save(self) -> bool:
        """Write the ledger as things stand; False when the flash failed. What is on a flash that is not
        trusted stays as it is, and so does what was before a fault: a reset goes back there."""
        if self.distrust or self._delivery.uncommitted or self._delivery.fault:
            return False
        dose_steps = self._delivery.count.dose_steps()
        self._saved_s = self._timebase.s
        self._state.collect(self._saved_s, self._timebase.us)
        try:
            self._ledger.save()
        except OSError:
            self._note_failure()
            return False
        self._state.saved_steps = dose_steps
        self._delivery.changed = False
        self._written()
        return True

    def _written(self) -> None:
        """A write has succeeded, and taken its time."""
        time = self._timebase
        time.update(self._ticks_us())
        if self.failed:
            self.failed = False
            self.alarms.clear(alarm.STORAGE)

    def _note_failure(self) -> None:
        """A write has failed: the alarm stands until one succeeds."""
        self._timebase.update(self._ticks_us())
        if not self.failed:
            self.failed = True
            self.alarms.raise_(alarm.STORAGE)

    # --- commands ---

    def save_now(self) -> bool:
        """`save` on the way to an answer, whatever the motor's queue holds."""
        self.fill_queue()
        return self.save()

    def fill_queue(self) -> None:
        """Before a write that cannot wait: the motor gets enough to last through it."""
        self._controller.breathe()
        time = self._timebase
        time.update(self._ticks_us())
        self._delivery.apply_due(time.s, time.us)
        self._delivery.refill_queue(time.s, time.us)

    def commit_program(self, canonical, apply) -> None:
        """Put a program on record and in force: at every power cut the old or the new one, whole (INT-06).

        Its bytes are written first, beside those of the running one, while that goes on; then `apply(s,
        us)` makes the switch at one instant, with the motor held; the ledger that names the new program
        frees it. Refused as `storage` when the flash fails: before the switch nothing has changed, after
        it nothing flows any more. What flows in the moment until the ledger is written is on record as
        steps, though not as the new program's."""
        if self._delivery.fault:  # nothing can be put on record, so nothing that is may be overwritten
            raise Refused("alarm", "fault")
        state = self._state
        before = state.program, state.reservoir_fills
        number = self._next(state.program)
        self.write("program-%d" % (number & 1), number, canonical)
        self._reserve_a_run()
        self._delivery.uncommitted = True  # no save may mix the one program's progress with the other's name
        try:
            apply(self._timebase.s, self._timebase.us)
            try:
                self._record_switch(number)
            except Refused:
                state.program, state.reservoir_fills = before  # as the ledger on flash has them
                self._delivery.fail(FAULT_OF_FLOW, STORAGE, self._timebase.s, self._timebase.us)
                raise
        finally:
            self._delivery.uncommitted = False
        self.program = canonical
        self._delivery.apply_due(self._timebase.s, self._timebase.us)

    def _record_switch(self, number: int) -> None:
        """The switch has been made: put it on record. Refused("storage") when the flash fails."""
        if self.distrust:
            self._start_anew()
        self._write_fills()
        self._state.program = number
        self.distrust = 0
        if self.refused_format:
            self.refused_format = 0
            self.alarms.clear(alarm.RECORDS_FORMAT)
        self._delivery.reserve_steps = ledgers.reserve_steps(self._controller.prescription.step_volume_pl)
        self.fill_queue()
        self._delivery.uncommitted = False
        if not self.reserve():
            raise Refused("storage", "ledger")

    def _reserve_a_run(self) -> None:
        """The first steps of a new program shall not wait until it is on record: they are permitted by what
        is. (Not on records that are not trusted: there they wait.)"""
        delivery = self._delivery
        if delivery.steps_left() < ledgers.LEAST_RESERVE_STEPS:
            delivery.reserve_steps = max(delivery.reserve_steps, ledgers.LEAST_RESERVE_STEPS)
            self.fill_queue()
            self.reserve()

    def _next(self, number: int) -> int:
        return number + 1 if number < _LAST_NUMBER else 1

    def _start_anew(self) -> None:
        """From here on these are this pump's records, whatever was found."""
        self.write("pump", 1, self._serial)
        self.keep_boluses()

    def keep_refill(self, before) -> None:
        """The reservoir was filled: on record before it is answered. `before`: the fillings' values to go
        back to when the flash fails."""
        number = self._state.reservoir_fills
        try:
            self._write_fills()
            if not self.save_now():
                raise Refused("storage", "ledger")
        except Refused:
            self._state.reservoir_fills = number
            self._controller.reservoir_fills.restore(before)
            raise

    def _write_fills(self) -> None:
        number = self._next(self._state.reservoir_fills)
        data = codec.encoded(RESERVOIR_FILLS, self._controller.reservoir_fills.as_values())
        self.write("fillings-%d" % (number & 1), number, data)
        self._state.reservoir_fills = number

    def write(self, name: str, number: int, data) -> None:
        """A document; Refused("storage") when the flash fails."""
        self.fill_queue()
        try:
            Document(self._store, name).write(number, data)
        except OSError:
            self._note_failure()
            raise Refused("storage", name)
        self._written()

    def keep_boluses(self) -> None:
        """Write when the patient's boluses were given; Refused("storage") when the flash fails."""
        self.fill_queue()
        if not self._write_boluses():
            raise Refused("storage", "boluses")

    def _write_boluses(self) -> bool:
        self._controller.boluses.pack_given(self._bolus_bytes)
        Document.seal(self._bolus_bytes)
        try:
            self._bolus_file.write(self._bolus_bytes)
        except OSError:
            self._note_failure()
            return False
        self._written()
        return True

    # --- boot ---

    def start_up(self) -> None:
        """Take up therapy where the ledger has it, or say why not. Call once, before anything runs. From here
        on the motor goes by the pump's clock: at once after a look at it, as a motor that lags behind has
        not made its step yet when the pump wakes for it."""
        self._delivery.reserve = self.reserve
        time = self._timebase
        set_epoch = self._delivery.motor.set_epoch
        time.update(self._ticks_us())
        set_epoch(time.s, time.us)
        if self._store.found == _FORMATTED_OVER:
            self._log.note(event.RECORDS_DISTRUSTED, FLASH_UNREADABLE, 0, 0, 0)
        try:
            found = self._ledger.load()
            if found == ledgers.EMPTY:
                Document(self._store, "pump").write(1, self._serial)
            elif found == ledgers.GOOD:
                self._restore(self._ledger.words)
            else:
                self._refuse(found)
        except DocumentError as error:
            self._refuse(error.args[0])
        except (codec.WireError, Refused):
            self._refuse(PROGRAM_UNREADABLE)
        except OSError:
            self._refuse(FLASH_FAILS)
            self._note_failure()
        self.save()

    def _refuse(self, why: int) -> None:
        """No therapy from these records. Who knows when the last boluses were: they count as given now."""
        self.distrust = why
        if why == LEDGER_OTHER_VERSION or self._ledger.format != ledgers.VERSION:
            self.refused_format = self._ledger.format
        time = self._timebase
        self._controller.boluses.distrust_history(time.s, time.us)
        self._log.note(event.RECORDS_DISTRUSTED, why, 0, 0, 0)

    def resets(self) -> int:
        return self._ledger.words[states.RESETS]

    def _restore(self, words) -> None:
        time = self._timebase
        delivery = self._delivery
        if Document(self._store, "pump").read(1, ANOTHER_PUMP) != self._serial:
            self._state.forget()
            raise DocumentError(ANOTHER_PUMP)
        words[states.RESETS] += 1
        exact = self._state.apply_steps_before_reset(delivery.motor.steps_before_reset())
        time.update(self._ticks_us())
        time.s = words[states.TIME_S]
        time.us = words[states.TIME_US]
        delivery.motor.set_epoch(time.s, time.us)
        self._state.restore_counts(self._ledger.format)
        try:
            self.restarts.count(time.s)
        except OSError:  # no reason to stop
            self._note_failure()
        if not self._state.is_programmed():
            return
        self._restore_program()
        self._state.restore_progress()
        self._restore_boluses()
        delivery.at.set(time.s, time.us)
        delivery.open_segment(time.s, time.us, True)
        unproven_pl = self._state.unproven * self._controller.prescription.step_volume_pl
        resets = self.resets() & 0xFFFF
        self._log.note(event.RESTORED, 1 if exact else 0, resets, delivery.count.base, unproven_pl)

    def reload(self) -> None:
        """After a fault: the program as it is on record, its plan where it stood; boluses have ended.
        Refused when it cannot be read."""
        if not self.program or self.distrust:
            return
        plan = self._delivery.plan
        try:
            self._restore_program()
        except (DocumentError, codec.WireError, OSError):
            raise Refused("storage", "program")
        if plan is not None:
            self._delivery.plan.restore(plan.index, plan.paused, plan.left.s, plan.left.us)

    def _restore_program(self) -> None:
        """Program and fillings, both or none."""
        fills = self._read_fills()
        number = self._state.program
        program = Document(self._store, "program-%d" % (number & 1)).read(number, PROGRAM_UNREADABLE)
        fields = messages.proposal_fields(messages.PROPOSAL_PROGRAM)
        prescription = Prescription(codec.decode(fields, program, 0, len(program)), self._bounds)
        prescription.forget_steps()
        self._controller.reservoir_fills.restore(fills)
        self.program = program
        self._delivery.reserve_steps = ledgers.reserve_steps(prescription.step_volume_pl)
        self._controller.restore(prescription, self._timebase.s, self._timebase.us)

    def _read_fills(self):
        number = self._state.reservoir_fills
        data = Document(self._store, "fillings-%d" % (number & 1)).read(number, FILLS_UNREADABLE)
        try:
            return codec.decode(RESERVOIR_FILLS, data, 0, len(data))
        except codec.WireError:
            fills = codec.decode(RESERVOIR_FILLS_OF_0_1, data, 0, len(data))
        try:  # 0.1 had a document of its own for what refills showed
            data = Document(self._store, "refills").read(1, 0)
            fills["refills"] = [codec.decode(REFILLS, data, 0, len(data))]
        except (DocumentError, codec.WireError):
            fills["refills"] = []  # never written, or not to be read
        fills["missed"] = fills["first_missed"] = ()
        return fills

    def _restore_boluses(self) -> None:
        """The patient's last boluses; a history that cannot be read means lockout from now (BOL-08)."""
        boluses = self._controller.boluses
        try:
            data = self._bolus_file.read()
        except OSError:
            data = b"?"
        if not data:
            return  # never one
        if len(data) == len(self._bolus_bytes) and Document.is_sealed(data):
            boluses.unpack_given(data)
        else:
            boluses.distrust_history(self._timebase.s, self._timebase.us)
            self._log.note(event.RECORDS_DISTRUSTED, BOLUSES_UNREADABLE, 0, 0, 0)
            self._write_boluses()  # or the alarm stands, and the next start finds the same
