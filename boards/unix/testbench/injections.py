"""The faults and conditions that the bench injects, by name. docs/reference/boards-unix.md describes them.

A condition that lasts takes `for_us` (it ends by itself then) or `"ends": true` (it ends now), and goes on
over a reset of the pump.
"""

import firmware_faults
from bench_requests import BenchError, one_of, whole
from bit_rot import rot
from flash import AFTER, BEFORE, BLOCKS, TORN
from flood import Flood
from reservoir import DOWNSTREAM, UPSTREAM
from sensors import CELL_UC, NAMES
from thecal_protocol.bench import PLANNER_FAULTS

_WHEN = {"before": BEFORE, "torn": TORN, "after": AFTER}
_WHERE = {"downstream": DOWNSTREAM, "upstream": UPSTREAM}
_PRESSURES = ("upstream", "downstream")
_COLDEST_MC = -100_000
_LOWEST_PA = -200_000
_FOR_EVER = 1 << 60
_FLOOD_BYTES_PER_S = 1000


class Injections:
    """`inject(request)` carries one out. BenchError when it cannot be."""

    def __init__(self, bench, board, clock, flash, events, seed: int):
        self._bench = bench
        self._seed = seed
        self._firmware_faults = firmware_faults.FirmwareFaults(board)
        self._flood = None
        self._next_burst = self._burst  # one object, by which the event queue knows it
        self._board = board
        self._clock = clock
        self._flash = flash
        self._events = events
        self._lasting = {}  # by a name of the condition: its request, when it ends, how
        self._known = {
            "motor_stall": self._motor_stall,
            "over_delivery": self._over_delivery,
            "occlusion": self._occlusion,
            "temperature": self._temperature,
            "battery_level": self._battery_level,
            "pressure": self._pressure,
            "sensor_stuck": self._sensor_stuck,
            "sensor_missing": self._sensor_missing,
            "sensor_noise": self._sensor_noise,
            "buzzer_broken": self._buzzer_broken,
            "press_button": self._press_button,
            "hang": self._hang,
            "watchdog_bite": self._watchdog_bite,
            "code_damage": self._code_damage,
            "planner_fault": self._planner_fault,
            "memory_flip": self._memory_flip,
            "link_noise": self._link_noise,
            "link_flood": self._link_flood,
            "power_cut": self._cut,
            "flash_bit_flip": self._flash_bit_flip,
            "flash_stuck": self._flash_stuck,
            "flash_worn": self._flash_worn,
            "flash_fails": self._flash_fails,
        }

    def pump(self):
        """The one that runs on this board, once it has begun to be made."""
        return self._firmware_faults.pump

    def inject(self, request):
        """What there is to tell of it, or None."""
        injection = self._known.get(request.get("what"))
        if injection is None:
            raise BenchError("unknown_injection: what is one of " + ", ".join(sorted(self._known)))
        return injection(request)

    def _last(self, request, name: str, begin, end) -> None:
        """A condition that lasts, begun or ended. `name` tells it from others; it may stand already."""
        for_us = whole(request, "for_us", 1, _FOR_EVER)
        earlier = self._lasting.pop(name, None)
        if earlier:
            self._events.drop(earlier[2])
        if request.get("ends"):
            end()
            return

        def over() -> None:
            self._lasting.pop(name)
            end()

        begin()
        ends_us = self._clock.now_us + for_us
        self._lasting[name] = (request, ends_us, over)
        if for_us < _FOR_EVER:
            self._events.at(ends_us, over)

    # --- motor and fluid ---

    def _motor_stall(self, request) -> None:
        self._board.motor.stall(0 if request.get("ends") else whole(request, "for_us", 1))

    def _over_delivery(self, request) -> None:
        num = 1 if request.get("ends") else whole(request, "num", 0)
        den = 1 if request.get("ends") else whole(request, "den", 1)
        self._last(request, "over_delivery", lambda: self._displace(num, den), lambda: self._displace(1, 1))

    def _displace(self, num: int, den: int) -> None:
        board = self._board
        board.reservoir.set_factor(board.motor.made_steps(), num, den)
        self.fluid_changed()

    def _occlusion(self, request) -> None:
        where = _WHERE[one_of(request, "where", _WHERE, "downstream")]
        self._last(
            request,
            "occlusion %d" % where,
            lambda: self._occlude(where, True),
            lambda: self._occlude(where, False),
        )

    def _occlude(self, where: int, blocked: bool) -> None:
        board = self._board
        board.reservoir.occlude(board.motor.made_steps(), where, blocked)
        self.fluid_changed()

    def fluid_changed(self) -> None:
        """The pressure at which the motor jams is so many steps away."""
        board = self._board
        board.motor.jam_after(board.reservoir.steps_to_jam(board.motor.made_steps()))

    # --- sensors ---

    def _temperature(self, request) -> None:
        value = None if request.get("ends") else whole(request, "millicelsius", _COLDEST_MC)
        self._force(request, 0, value)

    def _pressure(self, request) -> None:
        sensor = NAMES.index(one_of(request, "which", _PRESSURES))
        self._force(request, sensor, None if request.get("ends") else whole(request, "pa", _LOWEST_PA))

    def _battery_level(self, request) -> None:
        if "percent" in request:
            percent = whole(request, "percent", 0)
            if percent > 100:
                raise BenchError("bad_request: percent is at most 100")
            self._board.sensors.set_charge(CELL_UC // 100 * percent)
            return
        if "charge_permille" in request:
            self._board.sensors.set_charge(CELL_UC // 1000 * whole(request, "charge_permille", 0))
            return
        self._force(request, 1, None if request.get("ends") else whole(request, "millivolts", 0))

    def _force(self, request, sensor: int, value) -> None:
        force = self._board.sensors.force
        self._last(request, "force %d" % sensor, lambda: force(sensor, value), lambda: force(sensor, None))

    def _sensor(self, request) -> int:
        return NAMES.index(one_of(request, "which", NAMES, "temperature"))

    def _sensor_stuck(self, request) -> None:
        sensor = self._sensor(request)
        sensors = self._board.sensors
        if "value" not in request and not request.get("ends"):
            request["value"] = sensors.shows(sensor)
        self._last(
            request,
            "stuck %d" % sensor,
            lambda: sensors.stick(sensor, whole(request, "value", _LOWEST_PA)),
            lambda: sensors.stick(sensor, None),
        )

    def _sensor_missing(self, request) -> None:
        sensor = self._sensor(request)
        silence = self._board.sensors.silence
        self._last(
            request, "missing %d" % sensor, lambda: silence(sensor, True), lambda: silence(sensor, False)
        )

    def _sensor_noise(self, request) -> None:
        sensor = self._sensor(request)
        times = whole(request, "times", 0, 10)
        loud = self._board.sensors.make_noisy
        self._last(request, "noise %d" % sensor, lambda: loud(sensor, times), lambda: loud(sensor, 1))

    # --- panel and software ---

    def _buzzer_broken(self, request) -> None:
        self._last(request, "buzzer", lambda: self._break_buzzer(True), lambda: self._break_buzzer(False))

    def _break_buzzer(self, broken: bool) -> None:
        self._board.buzzer.broken = broken

    def _press_button(self, request) -> None:
        self._board.button.press()

    def _hang(self, request) -> None:
        self._clock.hang()

    def _watchdog_bite(self, request) -> None:
        self._bench.reset("watchdog")

    def _code_damage(self, request) -> None:
        self._last(request, "code", lambda: self._damage_code(True), lambda: self._damage_code(False))

    def _damage_code(self, damaged: bool) -> None:
        self._board.code.damaged = damaged

    def _planner_fault(self, request) -> None:
        kind = one_of(request, "kind", PLANNER_FAULTS, "runaway")
        num = whole(request, "num", 0, 2)
        den = whole(request, "den", 1, 1)
        unguarded = bool(request.get("unguarded"))
        bad = self._firmware_faults
        self._last(request, "planner", lambda: bad.begin(kind, num, den, unguarded), bad.end)

    def _memory_flip(self, request) -> None:
        name = request.get("name")
        if not isinstance(name, str):
            raise BenchError("bad_request: name is a path from the pump on, such as delivery.permit")
        self._firmware_faults.flip(name, whole(request, "bit", 0, 0))

    # --- link, power and flash ---

    def _link_noise(self, request) -> None:
        one_in = 0 if request.get("ends") else whole(request, "one_in", 0)
        if one_in == 0:
            request["ends"] = True
        set_noise = self._board.serial.set_noise
        self._last(request, "line", lambda: set_noise(one_in), lambda: set_noise(0))

    def _link_flood(self, request) -> None:
        rate = whole(request, "bytes_per_s", 1, _FLOOD_BYTES_PER_S)
        seed = whole(request, "seed", 0, self._seed)
        self._last(
            request, "flood", lambda: self._begin_flood(Flood(seed, rate)), lambda: self._begin_flood(None)
        )

    def _begin_flood(self, flood) -> None:
        self._flood = flood
        self._events.drop(self._next_burst)
        if flood:
            self._burst()

    def _burst(self) -> None:
        """The next bytes of the flood come in, and wake the pump if it listens."""
        data = self._flood.burst()
        self._board.serial.flood(data)
        if self._board.serial.wakes():
            self._clock.wake = True
        self._events.at(self._clock.now_us + self._flood.gap_us(len(data)), self._next_burst)

    def _cut(self, request) -> None:
        operation = whole(request, "at_operation", 0, 0)
        if not operation:
            self._bench.cut_now(bool(request.get("conditions")))
        when = _WHEN[one_of(request, "when", _WHEN, "torn")]
        self._flash.plan_cut(operation, when, whole(request, "seed", 0, 0))

    def _flash_bit_flip(self, request):
        wanted = request.get("file", "")
        if not isinstance(wanted, str):
            raise BenchError("bad_request: file is the beginning of a path on the flash")
        return {
            "flipped": rot(self._board.store.fs, self._flash, whole(request, "seed", 0, self._seed), wanted)
        }

    def _flash_stuck(self, request) -> None:
        bit = whole(request, "bit", 0)
        self._flash.stick(whole(request, "offset", 0), bit & 7, whole(request, "value", 0) & 1)

    def _flash_worn(self, request) -> None:
        block = whole(request, "block", 0)
        if block >= BLOCKS:
            raise BenchError("bad_request: block must be below %d" % BLOCKS)
        self._flash.wear_out(block, bool(request.get("fails")))

    def _flash_fails(self, request) -> None:
        self._flash.fail(bool(request.get("fails", True)))

    # --- from one life of the pump to the next ---

    def state(self, start_us: int):
        """What was injected and does not end with the software. `start_us`: of the bench's time."""
        stall_us = self._board.motor.stalled_for_us()
        return {
            "stall_until_us": start_us + self._clock.now_us + stall_us if stall_us else 0,
            "lasting": [(request, start_us + ends_us) for request, ends_us, _ in self._lasting.values()],
        }

    def restore(self, state, start_us: int) -> None:
        if state["stall_until_us"] > start_us:
            self._board.motor.stall(state["stall_until_us"] - start_us)
        for request, ends_us in state["lasting"]:
            request["for_us"] = ends_us - start_us
            if request["for_us"] > 0:
                self.inject(request)
        self.fluid_changed()
