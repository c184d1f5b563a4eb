"""thecal's firmware: takes the board it runs on, wires the pump, runs the loop. Not a medical device.

The same file starts on the RP2040 and on MicroPython's unix port; `board` is the one thing that differs
(boards/rp2040, boards/unix).
"""

from board import Board
from pump.pump import Pump

START_WITHIN_S = 300  # a hundred times what starting takes: one that hangs begins anew


def main() -> None:
    """Build the pump on this board and run it; never returns."""
    board = Board()
    board.watchdog.start_within(START_WITHIN_S)
    pump = Pump(board)
    pump.seal()
    pump.run()


main()
