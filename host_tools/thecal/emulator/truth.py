"""What the bench of an emulated pump knows of the world: steps, fluid, power, sound
(docs/reference/boards-unix.md).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Truth:
    """What physically happened, whatever the pump believes. Counts are since boot."""

    now_us: int
    steps: int  # made by the motor
    steps_since_mark: int
    lost_steps: int  # driven while the motor was stalled, jammed or disabled
    late_runs: int  # runs that came when their first step was overdue
    in_flight: int  # steps that the motor still holds
    enabled: bool  # is the motor's enable line closed?
    reservoir_pl: int
    left_pl: int  # has really left the catheter
    waits: int  # times the pump went to sleep
    heap_used: int  # bytes, garbage included
    heap_live: int  # bytes, after a collection
    flipped_bits: int  # by link noise
    dropped_bytes: int  # sent by the pump, taken by nobody
    flash_programs: int
    flash_erases: int
    charge_permille: int  # left in the battery
    buzzer: int  # the pattern that sounds at this instant; 0: none
    buzzer_since_us: int  # when the last pattern began
    buzzer_plays: int  # patterns begun
    presses: int  # of the button
    led: bool
    latch: int
    watchdog: int  # microseconds until it bites, once a wait counts; -1: not started
