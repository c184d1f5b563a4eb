"""X25519 (RFC 7748) in small slices: the main loop takes one between two looks at dosing.

`step` does one step of the Montgomery ladder, or eight multiplications of the final inversion: about 10
multiplications modulo 2^255 - 19 each. 319 steps give the result. Python's integers do not take the same time
for all values: docs/reference/security.md says what that means.

Allocates: pairing is a command.
"""

_P = (1 << 255) - 19
_A24 = 121665
BASE = 9
STEPS = 255 + 64


class X25519:
    """One multiplication of the point `u` (an integer) by the scalar of 32 bytes."""

    def __init__(self, scalar, u: int):
        self._k = int.from_bytes(scalar, "little") & (1 << 255) - 8 | 1 << 254
        self.begin(u)

    def begin(self, u: int) -> None:
        """From the start, with this point and the same scalar."""
        self._x1 = u & (1 << 255) - 1
        self._x2 = 1
        self._z2 = 0
        self._x3 = self._x1
        self._z3 = 1
        self._left = STEPS
        self.result = b""

    def step(self) -> bool:
        """One slice; True when `result`, 32 bytes, is there."""
        left = self._left = self._left - 1
        if left >= 64:
            self._ladder(left - 64)
            if left == 64:
                self._x3 = 1  # from here on: x3 = z2^(p - 2), bit by bit
            return False
        x = self._x3
        for bit in range(left * 4 + 3, left * 4 - 1, -1):
            x = x * x % _P
            if (_P - 2) >> bit & 1:
                x = x * self._z2 % _P
        self._x3 = x
        if left:
            return False
        self.result = (self._x2 * x % _P).to_bytes(32, "little")
        return True

    def _ladder(self, bit: int) -> None:
        if self._k >> bit & 1:  # swapped before and after
            self._x3, self._z3, self._x2, self._z2 = self._added(self._x3, self._z3, self._x2, self._z2)
        else:
            self._x2, self._z2, self._x3, self._z3 = self._added(self._x2, self._z2, self._x3, self._z3)

    def _added(self, x2: int, z2: int, x3: int, z3: int):
        """Twice the first point, and the sum of both (RFC 7748, section 5)."""
        a = x2 + z2
        aa = a * a % _P
        b = x2 - z2
        bb = b * b % _P
        e = aa - bb
        da = (x3 - z3) * a % _P
        cb = (x3 + z3) * b % _P
        both = da + cb
        apart = da - cb
        return (
            aa * bb % _P,
            e * (aa + _A24 * e) % _P,
            both * both % _P,
            apart * apart % _P * self._x1 % _P,
        )
