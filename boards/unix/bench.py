"""The bench port: what a laboratory bench would do to the pump, as one JSON document a line on stdin and
stdout.

Strictly request, then answer. The requests are described in docs/boards-unix.md. Served by the clock, while
the pump waits, never between two advances: so an advance can run with the heap locked.
"""

import gc
import json
import sys

import micropython

from flash import AFTER, BEFORE, BLOCKS, TORN

_WHEN = {"before": BEFORE, "torn": TORN, "after": AFTER}
CUT_EXIT = 75  # exit code of a process that ended by a power cut


class BenchError(Exception):
    """The request cannot be carried out; the text goes back to the bench."""


def _whole(request, name: str, least: int, default=None) -> int:
    value = request.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BenchError("bad_request: %s must be a whole number of at least %d" % (name, least))
    return value


class Bench:
    """Serves the requests. Made once by Board, with the parts that it may look into."""

    def __init__(self, clock, poller, motor, trace, reservoir, serial, flash, start_us: int):
        self._clock = clock
        self._poller = poller
        self._motor = motor
        self._trace = trace
        self._reservoir = reservoir
        self._serial = serial
        self._flash = flash
        self._start_us = start_us
        self._pending = False
        self._locked = False
        self._mark_steps = 0
        self._requests = {
            "now": self._now,
            "advance": self._advance,
            "truth": self._truth,
            "mark": self._mark,
            "set": self._set,
            "trace": self._trace_to,
            "inject": self._inject,
            "flash_log": self._flash_log,
            "flash_wear": self._flash_wear,
            "quit": self._quit,
        }
        self._injections = {
            "motor_stall": self._motor_stall,
            "over_delivery": self._over_delivery,
            "link_noise": self._link_noise,
            "power_cut": self._cut,
            "flash_stuck": self._flash_stuck,
            "flash_worn": self._flash_worn,
            "flash_fails": self._flash_fails,
        }

    def serve(self) -> None:
        """Take one request and answer it; only `advance` is answered later, by `arrived`."""
        line = sys.stdin.readline()
        if not line:
            self._end(0)
        try:
            answer = self._carry_out(line)
        except BenchError as error:
            answer = {"ok": False, "error": str(error)}
        except OSError as error:
            answer = {"ok": False, "error": "OSError: %s" % error}
        if answer is not None:
            self._answer(answer)
        elif self._locked:
            micropython.heap_lock()

    def arrived(self) -> None:
        """The clock stands where the pending advance was to lead: answer it."""
        if self._pending:
            self._pending = False
            if self._locked:
                micropython.heap_unlock()
                self._locked = False
            self._poller.listen_to_bench(True)
            self._answer(self._now({}))

    def at_exit(self) -> None:
        """The process ends, perhaps by an exception of the pump: what was recorded is kept."""
        if self._locked:
            micropython.heap_unlock()
            self._locked = False
        self._trace.stop()

    def power_cut(self) -> None:
        """Nothing more is driven, written or said; what the bench recorded stays."""
        if self._locked:
            micropython.heap_unlock()
            self._locked = False
        self._flash.die()
        self._end(CUT_EXIT)

    def _carry_out(self, line: str):
        try:
            request = json.loads(line)
        except ValueError:
            raise BenchError("bad_request: not a JSON document")
        if not isinstance(request, dict):
            raise BenchError("bad_request: not a JSON object")
        action = self._requests.get(request.get("do"))
        if action is None:
            raise BenchError("unknown_request: do is one of " + ", ".join(sorted(self._requests)))
        return action(request)

    def _answer(self, answer) -> None:
        try:
            sys.stdout.write(json.dumps(answer) + "\n")
        except OSError:  # the bench is gone
            self._end(0)

    def _end(self, code: int) -> None:
        self._trace.stop()
        sys.exit(code)

    def _bench_us(self) -> int:
        return self._start_us + self._clock.read()

    def _now(self, request):
        return {"ok": True, "now_us": self._bench_us()}

    def _advance(self, request):
        target_us = _whole(request, "to_us", 0)
        now_us = self._bench_us()
        if target_us < now_us and self._clock.stands_still:
            raise BenchError("bad_request: to_us is in the past, now is %d" % now_us)
        if target_us <= now_us:
            return self._now(request)
        self._locked = bool(request.get("locked"))
        self._pending = True
        self._poller.listen_to_bench(False)
        self._clock.target_us = target_us - self._start_us
        return None

    def _truth(self, request):
        heap_used = gc.mem_alloc()
        gc.collect()
        steps = self._motor.made_steps()
        return {
            "ok": True,
            "now_us": self._bench_us(),
            "steps": steps,
            "steps_since_mark": steps - self._mark_steps,
            "lost_steps": self._motor.lost_steps,
            "late_runs": self._motor.late_runs,
            "in_flight": self._motor.in_flight(),
            "reservoir_pl": self._reservoir.level_pl(steps),
            "waits": self._clock.waits,
            "heap_used": heap_used,
            "heap_live": gc.mem_alloc(),
            "flipped_bits": self._serial.flipped_bits,
            "dropped_bytes": self._serial.dropped_bytes,
            "flash_programs": self._flash.programs,
            "flash_erases": self._flash.erases,
        }

    def _mark(self, request):
        at_us = _whole(request, "at_us", 0, self._bench_us())
        self._mark_steps = self._motor.made_steps()
        self._trace.mark_us = at_us - self._start_us
        return self._now(request)

    def _set(self, request):
        steps = self._motor.made_steps()
        if "step_volume_pl" in request:
            self._reservoir.set_step_volume(steps, _whole(request, "step_volume_pl", 0))
        if "fill_pl" in request:
            self._reservoir.fill(steps, _whole(request, "fill_pl", 0))
        return self._now(request)

    def _trace_to(self, request):
        self._motor.settle()
        path = request.get("path")
        if path is None:
            self._trace.stop()
        elif isinstance(path, str):
            self._trace.start(path, bool(request.get("append")))
        else:
            raise BenchError("bad_request: path must be a text or null")
        return self._now(request)

    def _inject(self, request):
        injection = self._injections.get(request.get("what"))
        if injection is None:
            raise BenchError("unknown_injection: what is one of " + ", ".join(sorted(self._injections)))
        injection(request)
        return self._now(request)

    def _quit(self, request):
        self._answer(self._now(request))
        self._end(0)

    def _motor_stall(self, request) -> None:
        self._motor.stall(_whole(request, "for_us", 1))

    def _over_delivery(self, request) -> None:
        num = _whole(request, "num", 0)
        self._reservoir.set_factor(self._motor.made_steps(), num, _whole(request, "den", 1))

    def _link_noise(self, request) -> None:
        self._serial.set_noise(_whole(request, "one_in", 0))

    def _cut(self, request) -> None:
        operation = _whole(request, "at_operation", 0, 0)
        if operation:
            when = _WHEN.get(request.get("when", "torn"))
            if when is None:
                raise BenchError("bad_request: when is before, torn or after")
            self._flash.plan_cut(operation, when, _whole(request, "seed", 0, 0))
            return
        self._answer(self._now(request))
        self.power_cut()

    def _flash_stuck(self, request) -> None:
        bit = _whole(request, "bit", 0)
        self._flash.stick(_whole(request, "offset", 0), bit & 7, _whole(request, "value", 0) & 1)

    def _flash_worn(self, request) -> None:
        block = _whole(request, "block", 0)
        if block >= BLOCKS:
            raise BenchError("bad_request: block must be below %d" % BLOCKS)
        self._flash.wear_out(block, bool(request.get("fails")))

    def _flash_fails(self, request) -> None:
        self._flash.fail(bool(request.get("fails", True)))

    def _flash_log(self, request):
        path = request.get("path")
        if path is not None and not isinstance(path, str):
            raise BenchError("bad_request: path must be a text or null")
        self._flash.log_to(path)
        return self._now(request)

    def _flash_wear(self, request):
        answer = self._now(request)
        answer["erases"] = list(self._flash.erases_by_block)
        return answer
