"""The live monitor's text: each part of the screen as plain lines, in Unicode or (`ascii_only`) without."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction

from thecal._io.wrapped import shortened
from thecal.eventlog.text import details
from thecal.link.responses.pump import Event
from thecal.monitor.look import Look, Window
from thecal.units.amounts import (
    PL_PER_ML,
    US_PER_S,
    count_text,
    dose_rate_text,
    duration_text,
    fixed_text,
    mass_text,
    span_text,
    volume_rate_text,
)

WIDTH, HEIGHT = 80, 24  # the smallest window
_BAR = 14
_PANEL = 36
_ROOM = 25  # characters of an entry beside its label, in a panel of half the smallest window


def speaks_utf8(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal is said to take UTF-8. (Python itself always would.)"""
    said = os.environ if environment is None else environment
    locale = said.get("LC_ALL") or said.get("LC_CTYPE") or said.get("LANG") or ""
    if locale == "C.UTF-8" and not said.get("LC_ALL") and said.get("LANG", "C") in ("", "C", "POSIX"):
        return False  # Python's own doing in the C locale (PEP 538), not the terminal's
    return "UTF8" in locale.upper().replace("-", "")


def plain(text: str, ascii_only: bool) -> str:
    """Without what the terminal cannot show."""
    return text.encode("ascii", "replace").decode() if ascii_only else text


def bar(share: Fraction, ascii_only: bool, width: int = _BAR) -> str:
    """A share of one as a bar; more than one is a full one."""
    filled = round(min(Fraction(1), max(Fraction(0), share)) * width)
    full, empty = ("#", ".") if ascii_only else ("█", "░")
    return full * filled + empty * (width - filled)


def head(look: Look) -> str:
    """Who and when."""
    snapshot = look.snapshot
    who = f"thecal {snapshot.hello.serial}  {snapshot.port}"
    return f"{who[:46]:<46} {snapshot.local:%a %Y-%m-%d %H:%M:%S}"


def state_lines(look: Look, ascii_only: bool) -> list[str]:
    """What the pump does."""
    snapshot, status = look.snapshot, look.snapshot.status
    amounts = [(mass_text(_four_digits(round(ng))), name) for name, ng in snapshot.delivered_ng.items()]
    delivered = ", ".join(f"{amount} {name}" for amount, name in amounts)
    full_pl = look.program["reservoir_pl"] if look.program else 0
    share = Fraction(status.reservoir_pl, full_pl) if full_pl else Fraction(0)
    return [
        f"state      {status.state}",
        f"therapy    {shortened(snapshot.therapy or 'none', _ROOM)}",
        f"rate       {volume_rate_text(status.rate_pl_per_day)}",
        f"basal dose {dose_rate_text(status.basal_ng_per_day)}",
        f"steps      {count_text(status.steps)}",
        f"delivered  {shortened(delivered or 'nothing', _ROOM)}",
        f"reservoir  {bar(share, ascii_only, 10)} {_ml(status.reservoir_pl)}",
        f"bolus      {_bolus(look)}",
    ]


def _bolus(look: Look) -> str:
    status = look.snapshot.status
    if status.bolus is None:
        return "none"
    left = span_text(status.bolus_left_us // US_PER_S)
    return f"{status.bolus.removesuffix('_bolus')}, {left} left"


def _ml(pl: int) -> str:
    return f"{fixed_text(Fraction(pl, PL_PER_ML), 3)} mL"


def window_lines(look: Look, ascii_only: bool) -> list[str]:
    """Rolling windows against their limits, the patient's bolus, what comes next."""
    lines = [_window(window, ascii_only) for window in look.windows[:4]]
    patient = look.patient
    if patient is not None:
        lines.append(f"patient    {patient.given_24h} of {patient.max_24h} in 24 h")
        left = (
            "over"
            if not patient.lockout_left_us
            else f"{span_text(-(-patient.lockout_left_us // US_PER_S))} left"
        )
        lines.append(f"lockout    {left}")
    lines.append(f"next       {look.snapshot.next_change_text()}")
    return lines or ["no therapy"]


def _window(window: Window, ascii_only: bool) -> str:
    given = mass_text(_four_digits(round(window.given_ng)))
    given = given if window.whole else f"over {given}"
    name = f"{window.drug[:9]:<9} {window.hours:>2} h"
    if not window.limit_ng:
        return shortened(f"{name} {given}, no limit", _PANEL)
    share = Fraction(round(window.given_ng), window.limit_ng)
    amounts = f"{given} / {mass_text(window.limit_ng)}"
    shown = f"{name} {bar(share, ascii_only, 5)} {amounts}"
    return shown if len(shown) <= _PANEL else shortened(f"{name} {amounts}", _PANEL)


def _four_digits(number: int) -> int:
    """As much as there is room for."""
    unit = 10 ** max(0, len(str(number)) - 4)
    return round(number / unit) * unit


def alarm_lines(look: Look) -> list[str]:
    """The alarms that stand, the announced one first; at most three lines."""
    alarms = look.alarms.alarms
    standing = sorted(alarms.standing, key=lambda one: (one.name != alarms.announced, not one.critical))
    lines = [
        f"{'CRITICAL' if one.critical else 'alarm   '} {one.name}"
        f"{'' if one.live else ' (over)'}{' (confirmed)' if one.confirmed else ''}"
        for one in standing[:3]
    ]
    if len(standing) > 3:
        lines[2] += f" and {len(standing) - 2} more"
    if alarms.silent_s and lines:
        lines[0] += f"  silent for {span_text(alarms.silent_s)}"
    return lines or ["no alarm"]


def event_lines(look: Look, count: int, width: int) -> list[str]:
    """The newest records."""
    lines: list[str] = []
    told = [event for event in look.events if is_told(event)]
    for event in told[-count:]:
        seconds = (look.snapshot.status.now.total_us - event.at.total_us) // US_PER_S
        ago = span_text(max(0, seconds))
        lines.append(f"{event.sequence:>6} {ago:>11} ago {event.kind:<17} {details(event)}")
    return [shortened(line, width) for line in lines]


def is_told(event: Event) -> bool:
    """Not what only says that somebody looked, as this monitor does, nor each field of a program: `thecal
    log` has it all."""
    if event.kind == "repeated":
        return not details(event).startswith("session")
    return event.kind not in ("program_field", "session_opened", "session_ended")


def bolus_question(look: Look) -> str:
    """What the patient's bolus would be; empty: none is prescribed."""
    patient = look.patient
    if patient is None:
        return ""
    dose, duration = mass_text(patient.dose_ng), duration_text(patient.duration_us)
    return f"Ask for the patient's bolus: {dose} over {duration}?"


def too_small(width: int, height: int) -> str:
    """What to say instead."""
    return (
        f"This window has {width} x {height} characters; the monitor needs {WIDTH} x {HEIGHT}. "
        "Enlarge it, or use: thecal monitor --plain"
    )
