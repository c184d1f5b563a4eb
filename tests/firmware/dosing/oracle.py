"""The exact reference: every step recomputed from the scenario alone, in fractions. No code of the pump."""

from fractions import Fraction
from typing import Any

US_PER_DAY = 86_400_000_000
_MILLION = 1_000_000
_WEEK_US = 7 * US_PER_DAY
_MONDAY_OF_DAY_0 = 5 * US_PER_DAY  # 2000-01-01 was a Saturday
_NEVER = 10**18


def flow(dose_ng: int, concentration_ng_per_ml: int, over_us: int) -> Fraction:
    """pL per microsecond of a dose over a time."""
    return Fraction(dose_ng * 10**9, concentration_ng_per_ml * over_us)


class Course:
    """The rate of flow (pL/us) over time that a scenario prescribes, as segments, and the steps it means."""

    def __init__(self, scenario: dict[str, Any], refusals: list[str | None]):
        self.segments: list[tuple[int, int, Fraction]] = []  # (from_us, to_us, rate)
        self._therapy: dict[str, Any] = {}
        self._stopped = True
        self._resume_us = _NEVER
        self._boluses: list[dict[str, Any]] = []
        self._exclusive: dict[str, Any] | None = None  # prime or bridge
        self._periodic: list[dict[str, Any]] = []
        self._plan: list[tuple[int, int]] = []  # (microseconds until it begins, dose), steps to come
        self._dose = 0
        self._local_us = (scenario["day"] * 86_400 + scenario["second"]) * _MILLION
        self._at = 0
        for event, refusal in zip(scenario["events"], refusals, strict=True):
            self._pass_to(event["at_us"])
            if refusal is None:
                getattr(self, "_" + event["do"])(event)
        self._pass_to(scenario["end_us"])

    # --- events ---

    def _program(self, event: dict[str, Any]) -> None:
        therapy = self._therapy = event["therapy"]
        self._boluses = []
        self._exclusive = None
        self._periodic = [dict(b, next=self._at + b["first_us"]) for b in therapy["periodic_boluses"]]
        self._dose = therapy["basal_dose_ng_per_day"]
        self._plan = []
        before = 0
        for step in therapy["plan"]:
            self._plan.append((step["after_us"] - before, step["dose_ng_per_day"]))
            before = step["after_us"]
        self._stopped = therapy["start_delay_s"] > 0
        self._resume_us = self._at + therapy["start_delay_s"] * _MILLION if self._stopped else _NEVER
        for bridge in therapy["bridge"]:
            rate = flow(bridge["dose_ng_per_day"], bridge["concentration_ng_per_ml"], US_PER_DAY)
            self._exclusive = self._by_volume("bridge", self.dead_pl(), rate)

    def dead_pl(self) -> int:
        return self._therapy["pump_tubing_pl"] + self._catheter_pl()

    def _catheter_pl(self) -> int:
        return self._therapy["catheter_length_um"] * self._therapy["catheter_pl_per_cm"] // 10_000

    def _by_volume(self, kind: str, volume_pl: int, rate: Fraction) -> dict[str, Any]:
        span = volume_pl / rate
        return {"kind": kind, "rate": rate, "left_us": -(-span.numerator // span.denominator)}

    def _prime(self, event: dict[str, Any]) -> None:
        volume = self.dead_pl() if event["dry"] else self._catheter_pl()
        prime = self._by_volume("prime", volume, Fraction(self._therapy["max_rate_pl_per_day"], US_PER_DAY))
        prime["rate"] = Fraction(
            volume, prime["left_us"]
        )  # whole microseconds: a hair slower, the volume exact
        self._boluses = []
        self._exclusive = prime

    def _skip_bridge(self, _: dict[str, Any]) -> None:
        self._exclusive = None

    def _cancel_plan(self, _: dict[str, Any]) -> None:
        self._plan = []

    def _refill(self, _: dict[str, Any]) -> None:
        pass

    def _implant(self, _: dict[str, Any]) -> None:
        pass

    def _bolus(self, event: dict[str, Any]) -> None:
        self._start("extended" if event["extended"] else "clinician", event["dose_ng"], event["duration_us"])

    def _patient_bolus(self, _: dict[str, Any]) -> None:
        bolus = self._therapy["patient_bolus"][0]
        for other in self._boluses:
            if other["kind"] == "extended":
                other["waits"] = True
        self._start("patient", bolus["dose_ng"], bolus["duration_us"])

    def _stop(self, event: dict[str, Any]) -> None:
        self._stopped = True
        self._boluses = []
        if self._exclusive and self._exclusive["kind"] == "prime":
            self._exclusive = None
        after_s = event.get("resume_after_s", 0)
        self._resume_us = self._at + after_s * _MILLION if after_s else _NEVER

    def _resume(self, _: dict[str, Any]) -> None:
        self._stopped = False
        self._resume_us = _NEVER

    def _clock(self, event: dict[str, Any]) -> None:
        if event["absolute"]:
            self._local_us = (event["day"] * 86_400 + event["second"]) * _MILLION + event["us"] - self._at
        else:
            self._local_us += event["offset_us"]

    # --- time ---

    def _start(self, kind: str, dose_ng: int, duration_us: int) -> None:
        rate = flow(dose_ng, self._concentration(), duration_us)
        self._boluses.append({"kind": kind, "rate": rate, "left_us": duration_us, "waits": False})

    def _concentration(self) -> int:
        return self._therapy["drugs"][0]["concentration_ng_per_ml"]

    def _flex(self) -> tuple[int, int]:
        """(dose now, microseconds until the next flex step) by brute force over the week."""
        now = (self._local_us + self._at + _MONDAY_OF_DAY_0) % _WEEK_US
        starts = sorted(
            ((day * 1440 + step["start_min"]) * 60 * _MILLION, step["dose_ng_per_day"])
            for step in self._therapy["basal_steps"]
            for day in range(7)
            if step["days"] >> day & 1
        )
        held = [dose for start, dose in starts if start <= now] or [starts[-1][1]]
        later = [start for start, _ in starts if start > now] or [starts[0][0] + _WEEK_US]
        return held[-1], min(later) - now

    def _rate_now(self) -> tuple[Fraction, int]:
        """Total rate, and how long it surely holds."""
        hold = min([_NEVER, self._resume_us - self._at] + [p["next"] - self._at for p in self._periodic])
        if self._stopped:
            return Fraction(0), hold
        therapy = self._therapy
        dose = self._dose
        if self._plan:
            hold = min(hold, self._plan[0][0])
        if therapy["basal_mode"] == 2:
            dose, until = self._flex()
            hold = min(hold, until)
        if self._exclusive:
            return self._exclusive["rate"], min(hold, self._exclusive["left_us"])
        rate = flow(dose, self._concentration(), US_PER_DAY)
        if therapy["basal_mode"] == 3:
            rate = Fraction(48_000_000, US_PER_DAY)
        for bolus in self._boluses:
            if not bolus["waits"]:
                rate += bolus["rate"]
                hold = min(hold, bolus["left_us"])
        return rate, hold

    def _pass_to(self, until: int) -> None:
        while self._at < until:
            rate, hold = self._rate_now()
            span = min(hold, until - self._at)
            if span:
                self.segments.append((self._at, self._at + span, rate))
            self._at += span
            if not self._stopped:
                self._let_pass(span)
            self._change()

    def _let_pass(self, span: int) -> None:
        for bolus in self._boluses:
            if not bolus["waits"]:
                bolus["left_us"] -= span
        if self._exclusive:
            self._exclusive["left_us"] -= span
        if self._plan:
            self._plan[0] = (self._plan[0][0] - span, self._plan[0][1])

    def _change(self) -> None:
        """What ends, then what begins at this microsecond."""
        done = [b for b in self._boluses if b["left_us"] == 0]
        self._boluses = [b for b in self._boluses if b["left_us"]]
        if any(b["kind"] == "patient" for b in done):
            for bolus in self._boluses:
                bolus["waits"] = False
        if self._exclusive and self._exclusive["left_us"] == 0:
            self._exclusive = None
        if self._resume_us == self._at:
            self._resume({})
        for periodic in self._periodic:
            if periodic["next"] == self._at:
                periodic["next"] += periodic["every_us"]
                if not self._stopped and not self._exclusive:
                    self._start("periodic", periodic["dose_ng"], periodic["duration_us"])
        if self._plan and self._plan[0][0] == 0:
            self._dose = self._plan.pop(0)[1]

    # --- results ---

    def steps(self, step_volume_pl: int) -> list[int]:
        """The exact microsecond of every step."""
        times: list[int] = []
        volume = Fraction(0)
        for begin, end, rate in self.segments:
            if rate == 0:
                continue
            after = volume + (end - begin) * rate
            k = len(times) + 1
            while k * step_volume_pl <= after:
                need = (k * step_volume_pl - volume) / rate
                times.append(begin - (-need.numerator // need.denominator))
                k += 1
            volume = after
        return times
