"""The file that holds an emulated pump's flash, as whoever has it in hand may change it."""

from pathlib import Path

from thecal.errors import WrongArgument

_BITS = 8


def flip_flash_bit(flash: Path, offset: int, bit: int) -> None:
    """Bit rot: one bit of a flash file turns over. The pump that uses the file should be off."""
    if not 0 <= bit < _BITS or not 0 <= offset < flash.stat().st_size:
        raise WrongArgument(f"the flash has no bit {bit} at {offset}", "count bytes and bits from 0")
    with flash.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0] ^ 1 << bit
        file.seek(offset)
        file.write(bytes((byte,)))
