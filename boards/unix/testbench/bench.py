"""The bench port: what a laboratory bench would do to the pump, as one JSON document a line on stdin and
stdout.

Strictly request, then answer. The requests are described in docs/reference/boards-unix.md. Served by the
clock, while the pump waits, never between two advances: so an advance can run with the heap locked.
"""

import binascii
import gc
import json
import sys

import micropython

from bench_requests import BenchError, whole
from clock import FOREVER_US
from event_queue import EventQueue
from injections import Injections

CUT_EXIT = 75  # exit code of a process that ended by a power cut
RESET_EXIT = 76  # of one whose watchdog bit, or that started anew by itself


class Bench:
    """Serves the requests. Made once by Board, with the parts that it may look into."""

    def __init__(self, board, clock, poller, flash, start_us: int, seed: int):
        self._board = board
        self._clock = clock
        self._poller = poller
        self._motor = board.motor
        self._trace = board.trace
        self._reservoir = board.reservoir
        self._flash = flash
        self._start_us = start_us
        self._events = EventQueue()
        self._injections = Injections(self, board, clock, flash, self._events, seed)
        self._pending = False
        self._goal_us = 0  # of the pending advance
        self._locked = False
        self._mark_steps = 0
        self._requests = {
            "now": self._now,
            "advance": self._advance,
            "about": self._about,
            "truth": self._truth,
            "mark": self._mark,
            "set": self._set,
            "trace": self._trace_to,
            "inject": self._inject,
            "flash_log": self._flash_log,
            "flash_wear": self._flash_wear,
            "document": self._document,
            "peek": self._peek,
            "quit": self._quit,
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

    def arrived(self) -> bool:
        """The clock stands where it was to stop: for the event queue, or at the end of the pending advance,
        which is answered. True: the advance goes on."""
        now_us = self._clock.now_us
        if self._events.next_us <= now_us:
            self._let_happen(now_us)
        if self._pending and now_us < self._goal_us:
            self.retarget()
            return True
        if self._pending:
            self._pending = False
            self._unlock()
            self._poller.listen_to_bench(True)
            self._answer(self._now({}))
        self.retarget()
        return False

    def retarget(self) -> None:
        """Where the clock has to stop next."""
        clock = self._clock
        goal_us = FOREVER_US
        if self._pending:
            goal_us = self._goal_us
        elif clock.stands_still:
            goal_us = clock.target_us
        clock.target_us = min(goal_us, self._events.next_us)

    def _let_happen(self, now_us: int) -> None:
        if self._locked:
            micropython.heap_unlock()
        self._events.happen(now_us)
        if self._locked:
            micropython.heap_lock()

    def _unlock(self) -> None:
        if self._locked:
            micropython.heap_unlock()
            self._locked = False

    def at_exit(self) -> None:
        """The process ends, perhaps by an exception of the pump: what was recorded is kept."""
        self._unlock()
        self._trace.stop()
        self._flash.retire()

    def power_cut(self) -> None:
        """Nothing more is driven, written or said; what the bench recorded stays."""
        self._unlock()
        self._flash.die()
        self._end(CUT_EXIT)

    def reset(self, cause: str) -> None:
        """The pump starts anew: "watchdog" or "software". What its memory keeps is told, the process ends."""
        self._unlock()
        self._motor.settle()
        last_words = self._now({})
        last_words["ok"] = False
        last_words["error"] = "the pump was reset: " + cause
        last_words["reset"] = cause
        last_words["executed"] = self._motor.executed()
        last_words["latch"] = self._board.latch.get()
        last_words["world"] = self._world(True)
        self._flash.die()
        self._answer(last_words)
        self._end(RESET_EXIT)

    def _world(self, conditions: bool):
        """What goes on without the pump's software, for the next life (setting `world`); with `conditions`
        also what was injected."""
        return {
            "steps": self._motor.made_steps(),
            "steps_since_mark": self._motor.made_steps() - self._mark_steps,
            "mark_us": self._trace.mark_us + self._start_us,
            "reservoir": self._reservoir.state(self._motor.made_steps(), conditions),
            "charge_uc": self._board.sensors.charge_uc(),
            "injections": self._injections.state(self._start_us) if conditions else None,
            "trace": self._trace.path,
        }

    def restore(self, world) -> None:
        """Called once at setup, with what `_world` told at the end of the life before."""
        self._mark_steps = -world["steps_since_mark"]
        self._trace.mark_us = world["mark_us"] - self._start_us
        self._reservoir.restore(world["reservoir"])
        self._board.sensors.set_charge(world["charge_uc"])
        if world["injections"]:
            self._injections.restore(world["injections"], self._start_us)
        if world["trace"]:
            self._trace.start(world["trace"], True)

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

    def cut_now(self, conditions: bool) -> None:
        """An injected power cut is answered before it happens. `conditions`: what was injected goes on."""
        self._motor.settle()
        answer = self._now({})
        answer["world"] = self._world(conditions)
        self._answer(answer)
        self.power_cut()

    def _answer(self, answer) -> None:
        try:
            sys.stdout.write(json.dumps(answer) + "\n")
        except OSError:  # the bench is gone
            self._end(0)

    def _end(self, code: int) -> None:
        self._trace.stop()
        sys.exit(code)

    def _bench_us(self) -> int:
        return self._start_us + self._clock.now_us

    def _now(self, request):
        return {"ok": True, "now_us": self._bench_us()}

    def _about(self, request):
        answer = self._now(request)
        answer["serial_number"] = self._board.serial_number
        return answer

    def _advance(self, request):
        target_us = whole(request, "to_us", 0)
        now_us = self._bench_us()
        if target_us < now_us and self._clock.stands_still:
            raise BenchError("bad_request: to_us is in the past, now is %d" % now_us)
        if target_us <= now_us:
            return self._now(request)
        self._locked = bool(request.get("locked"))
        self._pending = True
        self._poller.listen_to_bench(False)
        self._goal_us = target_us - self._start_us
        self.retarget()
        return None

    def _document(self, request):
        """A document of the pump's store, as whoever has the flash in hand reads it."""
        answer = self._now(request)
        data = self._board.store.load(str(request.get("name")))
        answer["hex"] = None if data is None else binascii.hexlify(data).decode()
        return answer

    def _peek(self, request):
        """What the pump would answer to a command that only reads, without asking it."""
        from peek import peek  # only here: most pumps are never looked at so

        answer = self._now(request)
        answer.update(peek(self._injections.pump(), request))
        return answer

    def _truth(self, request):
        heap_used = gc.mem_alloc()
        if request.get("collect", True):
            gc.collect()
        motor = self._motor
        board = self._board
        steps = motor.made_steps()
        truth = {
            "ok": True,
            "now_us": self._bench_us(),
            "steps": steps,
            "steps_since_mark": steps - self._mark_steps,
            "lost_steps": motor.unmoved_steps,
            "late_runs": motor.late_runs,
            "in_flight": motor.in_flight(),
            "enabled": motor.enabled(),
            "reservoir_pl": self._reservoir.level_pl(steps),
            "left_pl": self._reservoir.left_pl(steps),
            "waits": self._clock.waits,
            "heap_used": heap_used,
            "heap_live": gc.mem_alloc(),
            "flipped_bits": board.serial.flipped_bits,
            "dropped_bytes": board.serial.dropped_bytes,
            "flash_programs": self._flash.programs,
            "flash_erases": self._flash.erases,
        }
        self._add_panel(truth)
        return truth

    def _add_panel(self, truth) -> None:
        board = self._board
        truth["charge_permille"] = board.sensors.charge_permille()
        truth["buzzer"] = board.buzzer.pattern_now()
        truth["buzzer_since_us"] = self._start_us + board.buzzer.since_us
        truth["buzzer_plays"] = board.buzzer.plays
        truth["presses"] = board.button.presses()
        truth["led"] = board.light
        truth["latch"] = board.latch.get()
        truth["watchdog"] = self._clock.watchdog_left_us()

    def _mark(self, request):
        at_us = whole(request, "at_us", 0, self._bench_us())
        self._mark_steps = self._motor.made_steps()
        self._trace.mark_us = at_us - self._start_us
        return self._now(request)

    def _set(self, request):
        steps = self._motor.made_steps()
        if "step_volume_pl" in request:
            self._reservoir.set_step_volume(steps, whole(request, "step_volume_pl", 0))
        if "fill_pl" in request:
            self._reservoir.fill(steps, whole(request, "fill_pl", 0))
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
        told = self._injections.inject(request)
        self.retarget()
        answer = self._now(request)
        if told:
            answer.update(told)
        return answer

    def _quit(self, request):
        self._answer(self._now(request))
        self._end(0)

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
