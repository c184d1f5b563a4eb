"""A pump's steady path and nothing else: runs of steps one after the other, allocating nothing.

Two steps of every run are still to come when the next one is appended, so that counts are partial. With
THECAL_TEST_LEAK set it makes one object a turn, as faulty firmware would.
"""

import os
from array import array

from board import Board

GAP_US = 216000
STEPS = 56


class Run:
    """A run as the planner makes one."""

    def __init__(self):
        self.steps = STEPS
        self.size = 8
        self.lead = array("H", bytes(16))
        self.carry = array("H", bytes(16))
        self.modulus = array("H", [1] * 8)
        self.gap_s = 0
        self.gap_us = GAP_US
        self.leak = None


def main():
    board = Board()
    board.ticks_us()
    run = Run()
    buffer = bytearray(64)
    leak = os.getenv("THECAL_TEST_LEAK") is not None
    s = 0
    us = 1
    while True:
        while board.motor.in_flight() <= 8:
            run.first_s = s
            run.first_us = us
            us += (STEPS - 1) * GAP_US
            run.last_s = s + us // 1000000
            run.last_us = us % 1000000
            us += GAP_US
            s += us // 1000000
            us %= 1000000
            board.motor.append(run)
        board.serial.readinto(buffer)
        board.motor.executed()
        board.ticks_us()
        if leak:
            run.leak = [s]
        board.wait_us(GAP_US)


main()
