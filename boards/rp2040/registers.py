"""PIO and DMA set up once, by their registers."""

import machine
from micropython import const

_INSTRUCTIONS = const(0x50200048)
_DMA = const(0x50000000)


def load_program(words, at: int) -> None:
    """Into PIO0's instruction memory, from instruction `at` on."""
    address = _INSTRUCTIONS + 4 * at
    for word in words:
        machine.mem32[address] = word
        address += 4


def copy_for_ever(channel: int, source: int, target: int, request: int) -> None:
    """What a state machine pushes goes from `source` to `target`, by DMA, without anybody's help. `request`:
    of DMA, by its number."""
    mem32 = machine.mem32
    base = _DMA + channel * 64
    mem32[base] = source
    mem32[base + 4] = target
    mem32[base + 8] = -1
    mem32[base + 12] = 0x20000B | channel << 11 | request << 15
