"""Sends back every byte that comes. For tests of the serial line."""

from board import Board


def main():
    board = Board()
    buffer = bytearray(256)
    while True:
        size = board.serial.readinto(buffer)
        if size:
            board.serial.write(bytes(memoryview(buffer)[:size]))
        else:
            board.wait_us(0x1FFFFFFF)


main()
