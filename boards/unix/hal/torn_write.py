"""What an interrupted flash operation leaves behind, by seed. Plain functions on bytearrays: the unix board
tears its flash with them when the bench cuts the power, and tests work out the same bytes on CPython.

A program writes its bytes in order: those before the cut are done, of a few after it only some of the bits
that were to be cleared are, the rest is untouched. An erase takes the whole block at once: after a cut each
byte may be erased, as it was, or anything.
"""

_MASK = 0xFFFFFFFF
_FRAYED_BYTES = 16


class Rng:
    """Numbers from a seed (xorshift, 32 bits), the same on every interpreter. `roll` allocates nothing where
    small integers have more than 45 bits."""

    def __init__(self, seed: int):
        self._state = (seed * 2654435761 + 0x9E3779B9) & _MASK or 1

    def roll(self, sides: int) -> int:
        """A number from 0 to sides - 1."""
        x = self._state
        x ^= (x << 13) & _MASK
        x ^= x >> 17
        x ^= (x << 5) & _MASK
        self._state = x
        return (x >> 3) % sides


def tear_program(old, new, size: int, seed: int) -> None:
    """Turn the first `size` bytes of `old` into what a torn program of `new` leaves there."""
    rng = Rng(seed)
    whole = rng.roll(size + 1)
    frayed = min(size, whole + rng.roll(_FRAYED_BYTES + 1))
    for at in range(whole):
        old[at] &= new[at]
    for at in range(whole, frayed):
        old[at] &= new[at] | rng.roll(256)


def tear_erase(old, seed: int) -> None:
    """Turn the bytes of a block into what a torn erase leaves of them."""
    rng = Rng(seed)
    for at in range(len(old)):
        kind = rng.roll(3)
        if kind == 0:
            old[at] = 0xFF
        elif kind == 1:
            old[at] = rng.roll(256)
