"""Faults in the running firmware itself, made from outside: nothing in firmware/ knows of them.

The board wraps the pump's constructor, to know the pump, and replaces methods of its classes while a planner
fault stands: what a bug there would do. One planner fault stands at a time. A method that the firmware no
longer has is a refused injection, never a fault that silently does nothing.

    rate           the total rate is num/den of what it should be, and everything agrees on it
    planner_rate   the planner alone believes in num/den of the rate
    runaway        a step every millisecond, whatever was asked for
    stuck_on       boluses never end
    stuck_off      no more steps are planned
    double_commit  every bolus counts twice
    no_stop        a stop changes nothing
    no_cancel      the motor's queue is never cancelled
    past_change    runs reach an hour past the next change of the rate
    unledgered     steps are handed out that were never put on record
"""

import array
import sys

from bench_requests import BenchError

_RUNAWAY_GAP_US = 1000
_RUNNING = 1
_HOUR_S = 3600
_GUARD = "pump.safety.supervisor"
_LIMB_BITS = 15  # of the firmware's long numbers


def _module(name: str):
    """A module of the firmware. BenchError when this process does not run it."""
    if name not in sys.modules:
        raise BenchError("not_running: this process does not run %s" % name)
    return sys.modules[name]


class FirmwareFaults:
    """One per board. `pump` is the running pump, once it has begun to be made."""

    def __init__(self, board):
        self._board = board
        self._undo = []  # (class, name, method that was there)
        self._num = 1
        self._den = 1
        self.pump = None
        if "pump.pump" in sys.modules:
            self._know(sys.modules["pump.pump"].Pump)

    def _know(self, cls) -> None:
        make = cls.__init__

        def made(pump, board):
            self.pump = pump
            make(pump, board)

        cls.__init__ = made

    def begin(self, kind: str, num: int, den: int, unguarded: bool) -> None:
        """From now on this planner fault stands; `unguarded`: and the guard sees nothing of it."""
        self.end()
        self._num = num
        self._den = den
        if unguarded and _GUARD in sys.modules:
            self._blind(sys.modules[_GUARD].Supervisor)
        getattr(self, "_" + kind)()
        self._plan_anew()

    def end(self) -> None:
        """The firmware is as it was."""
        undo = self._undo
        self._undo = []
        for cls, name, method in undo:
            setattr(cls, name, method)  # allow: dynamic - puts back the method that a fault replaced
        if undo:
            self._plan_anew()

    def _replace(self, cls, name: str, make) -> None:
        """Let `make(original)` take the place of a method."""
        original = getattr(cls, name, None)
        if original is None:
            raise BenchError("not_running: the firmware has no %s.%s any more" % (cls.__name__, name))
        self._undo.append((cls, name, original))
        setattr(cls, name, make(original))  # allow: dynamic - a planner fault is a method replaced

    def _plan_anew(self) -> None:
        """What is planned already is dropped, so that a fault shows at once: an interruption as any command
        makes one."""
        pump = self.pump
        if pump is None or getattr(pump, "delivery", None) is None:
            return
        time = pump.timebase
        delivery = pump.delivery
        time.update(self._board.ticks_us())
        if not delivery.fault and delivery.close_segment(time.s, time.us):
            delivery.open_segment(delivery.at.s, delivery.at.us, False)
        self._board.wake_pump()

    def _blind(self, cls) -> None:
        """What the guard would stop goes on: so that a fault itself can be looked at."""
        self._replace(cls, "may_run", lambda original: lambda supervisor: True)
        self._replace(cls, "admits", lambda original: lambda supervisor, run: True)
        self._replace(cls, "_judge", lambda original: lambda supervisor, s, us: None)

    # --- the kinds ---

    def _rate(self) -> None:
        limbs = _module("pump.dosing.bigint")
        num = self._num
        den = self._den

        def make(original):
            def _add_up_rates(delivery):
                original(delivery)
                accumulator = delivery.accumulator
                rate = limbs.to_int(accumulator.rate, accumulator.size) * num // den
                limbs.load(accumulator.rate, accumulator.size, rate)

            return _add_up_rates

        self._replace(_module("pump.dosing.delivery").Delivery, "_add_up_rates", make)

    def _planner_rate(self) -> None:
        limbs = _module("pump.dosing.bigint")
        num = self._num
        den = self._den

        def make(original):
            def begin(planner, accumulator):
                size = accumulator.size
                true = limbs.to_int(accumulator.rate, size)
                limbs.load(accumulator.rate, size, true * num // den)
                original(planner, accumulator)
                limbs.load(accumulator.rate, size, true)

            return begin

        self._replace(_module("pump.dosing.planner").Planner, "begin", make)

    def _runaway(self) -> None:
        nothing = array.array("H", bytes(2))
        last = [0]
        faults = self

        def make(original):
            def plan(planner, limit_s, limit_us):
                time = faults.pump.timebase
                first_us = max(time.s * 1_000_000 + time.us, last[0]) + _RUNAWAY_GAP_US
                run = planner.run
                run.steps = 56
                run.size = 1
                run.lead = run.carry = nothing
                run.gap_s = 0
                run.gap_us = _RUNAWAY_GAP_US
                last[0] = first_us + 55 * _RUNAWAY_GAP_US
                run.first_s = first_us // 1_000_000
                run.first_us = first_us % 1_000_000
                run.last_s = last[0] // 1_000_000
                run.last_us = last[0] % 1_000_000
                planner.planned += run.steps
                return run.steps

            return plan

        self._replace(_module("pump.dosing.planner").Planner, "plan", make)

    def _stuck_on(self) -> None:
        def make(original):
            def end_due(sources, s, us):
                for source in sources.all:
                    if source.state == _RUNNING and source.end.by(s, us):
                        source.end.add(_HOUR_S, 0)
                original(sources, s, us)

            return end_due

        self._replace(_module("pump.dosing.infusion_source").Sources, "end_due", make)

    def _stuck_off(self) -> None:
        self._replace(
            _module("pump.dosing.planner").Planner, "plan", lambda original: lambda planner, s, us: 0
        )

    def _double_commit(self) -> None:
        limbs = _module("pump.dosing.bigint")

        def make(original):
            def _add_up_rates(delivery):
                original(delivery)
                accumulator = delivery.accumulator
                for source in delivery.sources.all:
                    if source.state == _RUNNING:
                        limbs.add(accumulator.rate, source.parts, accumulator.size)

            return _add_up_rates

        self._replace(_module("pump.dosing.delivery").Delivery, "_add_up_rates", make)

    def _no_stop(self) -> None:
        self._replace(
            _module("pump.dosing.delivery").Delivery, "halt", lambda original: lambda delivery, s, us: None
        )

    def _no_cancel(self) -> None:
        self._replace(type(self._board.motor), "cancel", lambda original: lambda motor: None)

    def _past_change(self) -> None:
        def make(original):
            def plan(planner, limit_s, limit_us):
                return original(planner, limit_s + _HOUR_S, limit_us)

            return plan

        self._replace(_module("pump.dosing.planner").Planner, "plan", make)

    def _unledgered(self) -> None:
        self._replace(
            _module("pump.dosing.delivery").Delivery,
            "_may_hand_out",
            lambda original: lambda delivery, s, us: True,
        )

    # --- memory ---

    def flip(self, path: str, bit: int) -> None:
        """One bit of a value in the pump's memory turns over. `path`: a critical value by its name, or
        attributes and indices from the pump on, with points between: "delivery.accumulator.rate.0"."""
        if self.pump is None:
            raise BenchError("not_running: this process runs no pump")
        critical = sys.modules.get("pump.safety.critical")
        if critical is not None and path in critical.VALUES:
            holder, key = critical.VALUES[path]
            _flip(holder, bit // _LIMB_BITS % len(holder) if key is None else key, bit, path)
            return
        names = path.split(".")
        owner = self.pump
        for name in names[:-1]:
            owner = _part(owner, name, path)
        name = names[-1]
        _part(owner, name, path)
        _flip(owner, int(name) if name.isdigit() else name, bit, path)


def _flip(owner, key, bit: int, path: str) -> None:
    """In an array or a dict by its key, or an attribute of that name."""
    item = isinstance(key, int) or isinstance(owner, dict)
    value = owner[key] if item else getattr(owner, key)
    if not isinstance(value, int):
        raise BenchError("bad_request: %s is no whole number" % path)
    if isinstance(owner, array.array):
        bit %= _LIMB_BITS
    flipped = not value if isinstance(value, bool) else value ^ 1 << bit
    if item:
        owner[key] = flipped
    else:
        setattr(owner, key, flipped)  # allow: dynamic - a flipped bit asks no permission


def _part(owner, name: str, path: str):
    try:
        return owner[int(name)] if name.isdigit() else getattr(owner, name)
    except (AttributeError, IndexError, TypeError):
        raise BenchError("bad_request: the pump has no %s (there is no %s)" % (path, name))
