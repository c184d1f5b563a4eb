"""A board worked by hand: requests come over its serial line, JSON, one a line, and go straight to the board.

Boots in the firmware's place (tests/boards/unix/remote.py is the other end). Time is the bench's affair, as
ever.
"""

import json
from array import array

from board import Board


class Run:
    """A run as the planner makes one."""


def limbs(text, size):
    """A hexadecimal number in 15-bit limbs, lowest first."""
    value = int(text, 16)
    return array("H", [(value >> 15 * i) & 0x7FFF for i in range(size)])


def make_run(request):
    run = Run()
    run.steps = request["steps"]
    run.size = size = request["size"]
    run.lead = limbs(request["lead"], size)
    run.carry = limbs(request["carry"], size)
    run.modulus = limbs(request["modulus"], size)
    for name in ("first", "last", "gap"):
        setattr(run, name + "_s", request[name] // 1000000)
        setattr(run, name + "_us", request[name] % 1000000)
    return run


def answer(board, request):
    do = request["do"]
    if do == "append":
        return board.motor.append(make_run(request))
    if do in ("executed", "in_flight", "cancel"):
        return getattr(board.motor, do)()
    if do == "ticks":
        return board.ticks_us()
    if do == "save":
        return board.store.save(request["name"], request["text"].encode())
    if do == "load":
        data = board.store.load(request["name"])
        return None if data is None else data.decode()
    if do == "random":
        return list(board.random_bytes(request["size"]))
    if do == "about":
        return [board.model, board.serial_number, board.reset_cause()]
    if do == "call":  # a method of the board, or of one of its parts, and an attribute after it
        part = board
        for name in request["path"]:
            part = getattr(part, name)
        return part(*request["with"]) if request["call"] else part
    if do == "flood":  # more than any line can hold while nobody reads
        for _ in range(request["writes"]):
            board.serial.write(bytes(512))
        return None
    raise KeyError(do)


def main():
    board = Board()
    board.ticks_us()
    buffer = bytearray(64)
    received = b""
    while True:
        size = board.serial.readinto(buffer)
        received += bytes(memoryview(buffer)[:size])
        while b"\n" in received:
            line, received = received.split(b"\n", 1)
            try:
                reply = {"value": answer(board, json.loads(line))}
            except ValueError as error:
                reply = {"error": str(error)}
            line = json.dumps(reply).encode() + b"\n"
            for at in range(0, len(line), 256):
                board.serial.write(line[at : at + 256])
        if not size:
            board.wait_us(0x1FFFFFFF)


main()
