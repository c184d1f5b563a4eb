"""What each request does: a small method for each command, called as it is in `thecal_protocol.messages`;
from the decoded request to the answer's values.

Dosing is `pump.therapy.therapy_controller`'s business, proposals are `pump.link.proposals`'; here they meet
the wire's tables. Raises `Refused` for every refusal. Allocates: commands only.
"""

import gc
import struct

from pump.dosing import bigint
from pump.dosing.infusion_source import IDLE, VOLUME_LIMBS
from pump.records.event_reader import ENTRY_SIZE
from pump.therapy.bounds import Refused
from thecal_protocol import messages

_PIECE = 200  # bytes of a reading or program in one answer
_LIMITS_A_PAGE = 6
_EVENTS_A_PAGE = 4
_EVENTS_AT = 6  # in a page: after the number to go on from and the count
_PAGE_SIZE = 235
_FILLINGS_A_PAGE = 1
_DRUGS_BESIDE_SOURCES = 4
_NONE_SCHEDULED = 0xFFFFFFFF


def _piece(data, offset: int):
    return {"total": len(data), "data": bytes(data[offset : offset + _PIECE])}


def _handlers(*parts):
    """Opcode -> the method that carries the command out: the one that is called as the command."""
    return {
        opcode: getattr(part, name)
        for opcode, name in messages.in_sessions()
        for part in parts
        if hasattr(part, name)
    }


class Commands:
    """Handlers of the commands of a session, each called as its command, bound to one pump."""

    def __init__(self, timebase, controller, proposals, log, bounds, persistence, guard, authorization):
        self._timebase = timebase
        self._persistence = persistence
        self._controller = controller
        self._delivery = controller.delivery
        self._proposals = proposals
        self._authorization = authorization
        self._supervisor = guard.supervisor
        self._log = log
        self._bounds = bounds
        self._page = bytearray(_PAGE_SIZE)
        self.role = 0  # of the session, set by the server
        proposals.write_log = self._write_log
        self._guard = guard
        self.allows = guard.allows
        self.handlers = _handlers(self, guard)

    def new_session(self) -> None:
        """Whoever comes next starts with no half-sent proposal, and nothing that waits for a press."""
        self._proposals.forget()
        self._authorization.end_session()

    def status(self, _):
        time = self._timebase
        delivery = self._delivery
        self._write_log()
        local = delivery.local
        local.at(time.s, time.us)
        alarms = self._supervisor.alarms
        program = self._controller.prescription
        source = self._controller.shown_source()
        return {  # at once, in its size: the chip takes long to find room for one that grows
            "state": self._supervisor.state(),
            "now_s": time.s,
            "now_us": time.us,
            "local_day": local.day,
            "local_s": local.second,
            "local_us": local.us,
            "clock_set": 1 if local.was_set else 0,
            "program_digest": self._proposals.program_digest,
            "steps": delivery.count.steps(),
            "reservoir_pl": self._controller.reservoir_left_pl(),
            "rate_pl_per_day": delivery.rates.pl_per_day(program.step_volume_pl) if program else 0,
            "basal_ng_per_day": self._controller.basal_ng_per_day() if program and delivery.flowing else 0,
            "next_change_s": self._until_change(),
            "bolus": source.kind if source else 0,
            "bolus_given_pl": source.given_pl(time.s, time.us) if source else 0,
            "bolus_left_us": source.left_us(time.s, time.us) if source else 0,
            "alarms": alarms.count(),
            "alarm": alarms.announced(),
            "missed_pl": self._guard.missed_pl(),
            "next_event": self._log.queue.next_stored(),
        }

    def alarm_class(self) -> int:
        """The highest class of alarm that stands: 0 none, 1 noncritical, 2 critical."""
        return self._guard.highest_class()

    def _until_change(self) -> int:
        change = self._delivery.change
        if change.is_never():
            return _NONE_SCHEDULED
        return max(0, change.s - self._timebase.s)

    def limits(self, values):
        table = self._bounds.table
        first = values["first"]
        page = table[first : first + _LIMITS_A_PAGE]
        return {"total": len(table), "limits": [{"name": x[0], "low": x[1], "high": x[2]} for x in page]}

    def propose(self, values):
        return self._proposals.receive(values, self._timebase.s, self._timebase.us)

    def reading(self, values):
        return _piece(self._proposals.canonical, values["offset"])

    def _do(self, action, *values):
        """Carry out an action at the present instant; what the action returned.

        What it changed is on record before it is answered. The actor in the log is the session's role."""
        self._delivery.at.set(self._timebase.s, self._timebase.us)
        result = action(*values, self._timebase.s, self._timebase.us)
        if self._delivery.changed:
            self._persistence.save_now()
        self._write_log()
        return result

    def _tell_log(self) -> None:
        """The log is read: with what it counts at present."""
        self._log.queue.repeats.tell(self._timebase.s)
        self._write_log()

    def _write_log(self) -> None:
        """What was noted gets onto flash; before each write the motor gets enough to last through it."""
        while self._log.is_due():
            self._persistence.fill_queue()
            self._log.write_due()

    def _done(self):
        """When the command took effect; to put it on record may have taken longer."""
        return {"at_s": self._delivery.at.s, "at_us": self._delivery.at.us}

    def needs_press(self, opcode: int, values) -> bool:
        """Does this request, as things stand, need a press of the pump's button?"""
        if opcode == messages.COMMIT:
            return self._proposals.needs_press(values["digest"])
        if opcode == messages.SKIP_BRIDGE and self._delivery.slots.bridge.state == IDLE:
            return False  # there is none: it is refused
        return messages.command(opcode)[1] == messages.BUTTON

    def commit(self, values):
        self._persistence.fill_queue()  # to weigh it may take long
        ref = self._do(self._proposals.commit, values["digest"])
        answer = self._done()
        answer["ref"] = ref
        return answer

    def abort(self, _):
        self.new_session()
        return {}

    def program(self, values):
        return _piece(self._persistence.program, values["offset"])

    def stop(self, values):
        self._do(self._controller.stop, values["resume_after_s"])
        return self._done()

    def resume(self, _):
        self._do(self._controller.resume)
        return self._done()

    def implant(self, _):
        self._do(self._controller.set_implant)
        return self._done()

    def cancel_plan(self, _):
        self._do(self._controller.cancel_plan)
        return self._done()

    def skip_bridge(self, _):
        self._do(self._controller.skip_bridge)
        return self._done()

    def patient_bolus(self, _):
        self._persistence.fill_queue()
        return {"ref": self._do(self._give_patient_bolus)}

    def _give_patient_bolus(self, s: int, us: int) -> int:
        """It is on record before it begins: a power cut never shortens the lockout."""
        gc.collect()  # the forecast needs room
        boluses = self._controller.boluses
        boluses.admit_patient(s, us)
        try:
            self._persistence.keep_boluses()
        except Refused as refused:
            boluses.withdraw_patient(refused.reason)
            raise
        return boluses.start_patient(self._timebase.s, self._timebase.us)

    def events(self, values):
        """A page of the log, put together here and not by the codec: it is most of what a download costs."""
        self._tell_log()
        log = self._log
        most = min(values["count"], _EVENTS_A_PAGE)
        page = self._page
        if values["ring"] >= len(log.rings):
            raise Refused("out_of_range", "ring")
        count = log.page(values["first"], values["last"], most, values["ring"], page, _EVENTS_AT)
        struct.pack_into("<IH", page, 0, log.following(), count)
        return memoryview(page)[: _EVENTS_AT + count * ENTRY_SIZE]

    def log_state(self, _):
        self._tell_log()
        log = self._log
        return {
            "next_event": log.queue.next_stored(),
            "boot": log.queue.boot,
            "failing": 1 if log.failing else 0,
            "heap_free": gc.mem_free(),
            "rings": [
                {
                    "first": log.first_kept(ring),
                    "last": ring.last,
                    "records": ring.records(),
                    "before": ring.before(),
                    "tag": ring.tag(),
                }
                for ring in log.rings
            ],
        }

    def log_key(self, _):
        if not self._log.key:
            raise Refused("storage", "log-key")
        return {"key": self._log.key}

    def log_clear(self, _):
        raise Refused("append_only", "")

    def accounts(self, values):
        controller = self._controller
        prescription = controller.prescription
        first = values["first_filling"]
        step_volume_pl = prescription.step_volume_pl if prescription else 0
        fills = self._fillings(first)
        fits = not fills or len(fills[0]["drugs"]) <= _DRUGS_BESIDE_SOURCES
        return {
            "steps": self._delivery.count.steps(),
            "step_volume_pl": step_volume_pl,
            "reservoir_pl": controller.reservoir_left_pl(),
            "missed_pl": self._guard.missed_pl(),
            "resets": self._persistence.resets(),
            "fillings_total": len(controller.reservoir_fills.list),
            "fillings": fills,
            "sources": self._volumes() if fits else [],
        }

    def _fillings(self, first: int):
        controller = self._controller
        fills = controller.reservoir_fills
        count = self._delivery.count
        steps = count.steps()
        dose_steps = count.dose_steps()
        dose_missed = count.lost_steps() - count.primed_lost_steps()
        answer = []
        for i in range(first, min(len(fills.list), first + _FILLINGS_A_PAGE)):
            filling = fills.list[i]
            drugs = [
                {"name": x["name"], "concentration_ng_per_ml": x["concentration_ng_per_ml"]}
                for x in filling.drugs
            ]
            answer.append(
                {
                    "filling": filling.number,
                    "steps": fills.steps_of(i, dose_steps),
                    "step_volume_pl": filling.step_volume_pl,
                    "tip_pl": fills.tip_pl_of(i, steps, controller.prescription.dead_pl),
                    "missed": fills.missed_of(i, dose_missed),
                    "drugs": drugs,
                }
            )
        return answer

    def _volumes(self):
        """What each kind of source gave; basal is the rest of the counted volume, so that the sum is the
        whole."""
        time = self._timebase
        delivery = self._delivery
        given = [bigint.to_int(total, VOLUME_LIMBS) for total in delivery.sources.totals]
        for source in delivery.sources.all:
            if source.state != IDLE:
                given[source.kind] += source.given_pl(time.s, time.us)
        displaced_pl = self._controller.reservoir_fills.displaced_pl(delivery.count.steps())
        given[0] = max(0, displaced_pl - sum(given[1:]))
        return [
            {"source": kind, "volume_pl": volume} for kind, volume in enumerate(given) if volume or kind == 0
        ]
