"""The exact reference: every step recomputed from the scenario alone, in fractions. No code of the pump."""

from fractions import Fraction

US_PER_DAY = 86_400_000_000
WEEK_S = 7 * 86_400


class Course:
    """The rate of flow (pL/us) over time that a scenario prescribes, as segments, and the steps it means."""

    def __init__(self, scenario, refusals):
        self.segments = []  # (from_us, to_us, rate)
        self._therapy = None
        self._stopped = False
        self._boluses = []  # dicts: kind, rate, left_us, state
        self._periodic = []
        self._local_us = (scenario["day"] * 86_400 + scenario["second"]) * 1_000_000
        self._at = 0
        self.ended = []
        for event, refusal in zip(scenario["events"], refusals):
            self._pass_to(event["at_us"])
            if refusal is None:
                self._act(event)
        self._pass_to(scenario["end_us"])

    def _act(self, event):
        do = event["do"]
        if do == "program":
            self._therapy = event["therapy"]
            self._stopped = False
            self._boluses = []
            self._periodic = [
                dict(b, next=self._at + b["first_us"]) for b in self._therapy["periodic_boluses"]
            ]
        elif do == "bolus":
            self._start(
                "extended" if event["extended"] else "clinician", event["dose_ng"], event["duration_us"]
            )
        elif do == "patient_bolus":
            bolus = self._therapy["patient_bolus"][0]
            for other in self._boluses:
                if other["kind"] == "extended":
                    other["waits"] = True
            self._start("patient", bolus["dose_ng"], bolus["duration_us"])
        elif do == "stop":
            self._stopped = True
            self._boluses = []
        elif do == "resume":
            self._stopped = False
        elif event["absolute"]:
            self._local_us = (event["day"] * 86_400 + event["second"]) * 1_000_000 + event["us"] - self._at
        else:
            self._local_us += event["offset_us"]

    def _start(self, kind, dose_ng, duration_us):
        rate = Fraction(dose_ng * 10**9, duration_us * self._concentration())
        self._boluses.append({"kind": kind, "rate": rate, "left_us": duration_us, "waits": False})

    def _concentration(self):
        return self._therapy["drugs"][0]["concentration_ng_per_ml"]

    def _flex(self):
        """(dose now, microseconds until the next flex step) by brute force over the week."""
        now = (self._local_us + self._at) % (WEEK_S * 10**6)
        monday = 5 * 86_400  # 2000-01-01 was a Saturday
        now = (now + monday * 10**6) % (WEEK_S * 10**6)
        starts = sorted(
            (((day * 1440 + step["start_min"]) * 60 * 10**6, step["dose_ng_per_day"]))
            for step in self._therapy["basal_steps"]
            for day in range(7)
            if step["days"] >> day & 1
        )
        held = [dose for start, dose in starts if start <= now] or [starts[-1][1]]
        later = [start for start, _ in starts if start > now] or [starts[0][0] + WEEK_S * 10**6]
        return held[-1], min(later) - now

    def _rate_now(self):
        """Total rate, and how long it surely holds."""
        hold = 10**18
        rate = Fraction(0)
        therapy = self._therapy
        if therapy is None:
            return rate, hold
        for periodic in self._periodic:
            hold = min(hold, periodic["next"] - self._at)
        if self._stopped:
            return rate, hold
        dose = 0
        if therapy["basal_mode"] == 1:
            dose = therapy["basal_dose_ng_per_day"]
        elif therapy["basal_mode"] == 2:
            dose, until = self._flex()
            hold = min(hold, until)
        elif therapy["basal_mode"] == 3:
            rate = Fraction(48_000_000, US_PER_DAY)
        rate += Fraction(dose * 10**9, US_PER_DAY * self._concentration())
        for bolus in self._boluses:
            if not bolus["waits"]:
                rate += bolus["rate"]
                hold = min(hold, bolus["left_us"])
        return rate, hold

    def _pass_to(self, until):
        while self._at < until:
            rate, hold = self._rate_now()
            span = min(hold, until - self._at)
            if span:
                self.segments.append((self._at, self._at + span, rate))
            self._at += span
            for bolus in self._boluses:
                if not bolus["waits"]:
                    bolus["left_us"] -= span
            self._end_and_start()

    def _end_and_start(self):
        done = [b for b in self._boluses if b["left_us"] == 0]
        self._boluses = [b for b in self._boluses if b["left_us"]]
        if any(b["kind"] == "patient" for b in done):
            for bolus in self._boluses:
                bolus["waits"] = False
        for periodic in self._periodic:
            if periodic["next"] == self._at:
                periodic["next"] += periodic["every_us"]
                if not self._stopped:
                    self._start("periodic", periodic["dose_ng"], periodic["duration_us"])

    def steps(self, step_volume_pl):
        """The exact microsecond of every step."""
        times = []
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
