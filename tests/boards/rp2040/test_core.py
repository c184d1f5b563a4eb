"""core.c against rp2040py's own core, instruction by instruction, over random programs. No image needed."""

import random
from typing import Any

import pytest
from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.rp2040 import RP2040

from boards.rp2040.quick import Quick, library

RAM = 0x20000000
SIZE = 0x1000  # of RAM, what programs and data lie in
CODE = RAM + 0x800
LENGTH = 64
DIVIDER = 0xD0000060
PROGRAMS = 300
STEPS = 120
INTERESTING = (0, 1, 2, 31, 32, 33, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class _Simulator:
    """What `Quick` needs of one."""

    def __init__(self, mcu: Any):
        self.rp2040 = mcu
        self.stopped = False


class _Machine:
    """A chip without a program."""

    def __init__(self) -> None:
        self.mcu = RP2040(SimulationClock())
        self.core = self.mcu.core

    def load(self, registers: list[int], flags: tuple[bool, ...], memory: bytes) -> None:
        self.mcu.sram[:SIZE] = memory
        for number, value in enumerate(registers):
            self.core.registers[number] = value
        self.core.n, self.core.z, self.core.c, self.core.v = flags

    def state(self) -> tuple[object, ...]:
        core = self.core
        flags = (bool(core.n), bool(core.z), bool(core.c), bool(core.v), bool(core.pm))
        return (*list(core.registers)[:16], *flags, bytes(self.mcu.sram[:SIZE]))


@pytest.fixture(scope="module")
def machines() -> tuple[_Machine, _Machine, Quick]:
    compiled = library()
    if compiled is None:
        pytest.skip("no C compiler: the emulated chip runs in rp2040py alone")
    quick = _Machine()
    return _Machine(), quick, Quick(_Simulator(quick.mcu), compiled)


def random_register(rng: random.Random) -> int:
    """Half of them lie in RAM, so that loads and stores find something."""
    kind = rng.randrange(4)
    if kind < 2:
        return RAM + rng.randrange(0, 0x700, 4)
    return rng.choice(INTERESTING) if kind == 2 else rng.randrange(1 << 32)


def random_word(rng: random.Random) -> int:
    """Any instruction, those of 16 bits more often."""
    return (
        rng.randrange(1 << 16) if rng.randrange(8) else rng.choice((0xF000, 0xF7FF, 0xF3BF, 0xB672, 0xB662))
    )


def one(quick: Quick) -> int:
    """One instruction in C, as `Quick._plain` does it; its cycles, 0: not a plain one."""
    quick._budget = lambda: 1  # type: ignore[method-assign]
    return quick._plain()


@pytest.mark.timeout(300)
def test_every_plain_instruction_does_the_same(machines):
    slow, fast, quick = machines
    rng = random.Random(6)
    kinds: set[int] = set()
    done = 0
    for _ in range(PROGRAMS):
        memory = bytearray(rng.randbytes(SIZE))
        for at in range(CODE - RAM, CODE - RAM + 2 * LENGTH, 2):
            memory[at : at + 2] = random_word(rng).to_bytes(2, "little")
        registers = [random_register(rng) for _ in range(13)]
        registers += [RAM + rng.randrange(0x400, 0x700, 4), CODE | 1, CODE]
        flags = tuple(bool(rng.randrange(2)) for _ in range(4))
        for machine in machines[:2]:
            machine.load(registers, flags, bytes(memory))
        for _ in range(STEPS):
            at = fast.core.registers[15]
            if not RAM <= at < RAM + SIZE:
                break
            word = int.from_bytes(fast.mcu.sram[at - RAM : at - RAM + 2], "little")
            cycles = one(quick)
            if not cycles:  # not a plain one: it is passed over
                slow.core.registers[15] = fast.core.registers[15] = at + 2
                continue
            assert slow.core.execute_instruction() == cycles, hex(word)
            assert slow.state() == fast.state(), hex(word)
            kinds.add(word >> 8)
            done += 1
    assert done > PROGRAMS * 20
    assert len(kinds) > 180  # of the first bytes of instructions, most


def test_the_divider_divides_the_same(machines):
    """Words to and from each of its registers, in any order, signed and unsigned; by nothing too."""
    slow, fast, quick = machines
    rng = random.Random(7)
    divided: set[int] = set()
    for _ in range(PROGRAMS):
        registers = [DIVIDER, *(random_register(rng) for _ in range(12)), RAM + 0x400, CODE | 1, CODE]
        memory = bytearray(SIZE)
        for at in range(CODE - RAM, CODE - RAM + 2 * LENGTH, 2):
            load, number, target = rng.randrange(2), rng.randrange(7), rng.randrange(1, 8)
            memory[at : at + 2] = (0x6000 | load << 11 | number << 6 | target).to_bytes(2, "little")
        for machine in machines[:2]:
            machine.load(registers, (False,) * 4, bytes(memory))
        for _ in range(LENGTH):
            at = fast.core.registers[15]
            word = int.from_bytes(fast.mcu.sram[at - RAM : at - RAM + 2], "little")
            cycles = one(quick)
            if not cycles:  # its state is not for writing
                assert word & 0xFFC0 == 0x6180
                slow.core.registers[15] = fast.core.registers[15] = at + 2
                continue
            assert slow.core.execute_instruction() == cycles == 1, hex(word)
            assert slow.state() == fast.state(), hex(word)
            divided.add(word >> 6)
    assert len(divided) == 13
