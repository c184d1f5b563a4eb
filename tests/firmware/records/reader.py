"""The pump's records read and written without any of its code: littlefs-python, struct, and the tables of
docs/explanation/storage.md."""

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, Self

from littlefs import LittleFS
from littlefs.errors import LittleFSError

BLOCK_BYTES = 4096
BLOCKS = 352
PAGE_BYTES = 256
NEVER_S = 0x3FFFFFFF
BOLUSES = 96
_HOURS = 25
_ENOENT = -2


class Records:
    """The files of one flash image."""

    def __init__(self, image: bytes | None = None):
        """On an image; None: on a flash formatted here."""
        self._fs = LittleFS(
            block_size=BLOCK_BYTES, block_count=BLOCKS, prog_size=PAGE_BYTES, read_size=32, mount=False
        )
        if image is None:
            self._fs.format()
            self._fs.mount()
            self._fs.mkdir("/kept")
        else:
            self._fs.context.buffer = bytearray(image)
            self._fs.mount()

    @property
    def image(self) -> bytes:
        """The flash as it stands."""
        return bytes(self._fs.context.buffer)

    def load(self, name: str) -> bytes | None:
        """A file's bytes, or None when there is none."""
        try:
            with self._fs.open(_path(name), "rb") as file:
                return bytes(file.read())
        except LittleFSError as error:
            if error.code == _ENOENT:
                return None
            raise
        except FileNotFoundError:
            return None

    def save(self, name: str, data: bytes) -> None:
        """Write a file."""
        with self._fs.open(_path(name), "wb") as file:
            file.write(data)

    def remove(self, name: str) -> None:
        self._fs.remove(_path(name))

    def document(self, name: str) -> tuple[int, bytes]:
        """Number and data of a document. ValueError when it is not whole."""
        sealed = self.load(name)
        if sealed is None:
            raise ValueError(f"there is no {name}")
        data = unsealed(sealed)
        number, size = struct.unpack_from("<II", data)
        if size != len(data) - 8:
            raise ValueError(f"{name} says {size} bytes, has {len(data) - 8}")
        return number, data[8:]

    def save_document(self, name: str, number: int, data: bytes) -> None:
        self.save(name, sealed(struct.pack("<II", number, len(data)) + data))

    def ledger(self) -> "Ledger":
        record = self.load("ledger")
        if record is None:
            raise ValueError("there is no ledger")
        return Ledger.of(record)

    def program(self) -> bytes:
        """The canonical bytes of the program that counts."""
        number, data = self.document(f"program-{self.ledger().program & 1}")
        if number != self.ledger().program:
            raise ValueError(f"program {number} instead of {self.ledger().program}")
        return data

    def fillings(self) -> dict[str, Any]:
        """The fillings that count."""
        number, data = self.document(f"fillings-{self.ledger().fillings & 1}")
        if number != self.ledger().fillings:
            raise ValueError(f"fillings {number} instead of {self.ledger().fillings}")
        return fillings_of(data)

    def boluses(self) -> list[int]:
        """Starts of the patient's last boluses in us, oldest first; the list holds at most 96."""
        record = self.load("boluses")
        if not record:
            return []
        data = unsealed(record)
        (count,) = struct.unpack_from("<I", data)
        places = struct.unpack_from(f"<{2 * BOLUSES}I", data, 4)
        kept = range(max(0, count - BOLUSES), count)
        return [places[2 * (k % BOLUSES)] * 1_000_000 + places[2 * (k % BOLUSES) + 1] for k in kept]


def _path(name: str) -> str:
    return f"/kept/{name}" if name in ("ledger", "boluses") else f"/{name}"


def sealed(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def unsealed(record: bytes) -> bytes:
    data = record[:-4]
    if len(record) < 4 or struct.unpack("<I", record[-4:])[0] != zlib.crc32(data):
        raise ValueError("the CRC is wrong")
    return data


@dataclass(frozen=True)
class Ledger:
    """The ledger's record. Instants in us, None: never."""

    sequence: int = 1
    now_us: int = 0
    steps: int = 0
    reserved: int = 0  # of them since boot, made or not; 0: not known
    prime_steps: int = 0
    offset_day: int = 0
    offset_us: int = 0
    flowing: bool = False
    paused_too_long: bool = False
    plan_held: bool = False
    programmed: bool = False
    bridge: int = 0
    under_way: int = 0
    next_ref: int = 1
    plan_index: int = 0
    program: int = 0
    fillings: int = 0
    resets: int = 0
    resume_us: int | None = None
    pause_alarm_us: int | None = None
    lockout_us: int | None = 0
    plan_us: int | None = None
    bridge_us: int | None = 0
    periodic_us: tuple[int | None, ...] = (None,) * 4
    hours: tuple[int, ...] = (0,) * _HOURS

    @classmethod
    def of(cls, record: bytes) -> Self:
        """From its bytes. ValueError when it is not one."""
        data = unsealed(record)
        magic, version, count, sequence = struct.unpack_from("<4sHHI", data)
        if (magic, count, len(data)) != (b"TCLG", 54, 228) or version not in (2, 3):
            raise ValueError(f"not a ledger: {magic!r} version {version}, {count} words")
        w = struct.unpack_from("<54I", data, 12)
        day = w[7] & 0xFFFF
        return cls(
            sequence=sequence,
            now_us=w[0] * 1_000_000 + (w[1] & 0xFFFFF),
            steps=w[2] | (w[4] & 0x7FFF) << 30,
            reserved=w[1] >> 20 | w[6] >> 20 << 10 | w[5] >> 17 << 20,
            prime_steps=w[3] | w[4] >> 15 << 30,
            offset_day=day - 0x10000 if day & 0x8000 else day,
            offset_us=(w[5] & 0x1FFFF) * 1_000_000 + (w[6] & 0xFFFFF),
            flowing=bool(w[7] >> 16 & 1),
            paused_too_long=bool(w[7] >> 17 & 1),
            plan_held=bool(w[7] >> 18 & 1),
            programmed=bool(w[7] >> 19 & 1),
            bridge=w[7] >> 20 & 3,
            under_way=w[7] >> 22,
            next_ref=w[8] & 0xFFFF,
            plan_index=w[8] >> 16,
            program=w[9] & 0x7FFF,
            fillings=w[9] >> 15,
            resets=w[10],
            resume_us=_instant(w, 11),
            pause_alarm_us=_instant(w, 13),
            lockout_us=_instant(w, 15),
            plan_us=_instant(w, 17),
            bridge_us=_instant(w, 19),
            periodic_us=tuple(_instant(w, at) for at in (21, 23, 25, 27)),
            hours=w[29:54],
        )

    def record(self, version: int = 3) -> bytes:
        """Its bytes."""
        flags = self.flowing << 16 | self.paused_too_long << 17 | self.plan_held << 18
        flags |= self.programmed << 19 | self.bridge << 20 | self.under_way << 22
        words = [
            *divmod(self.now_us, 1_000_000),
            self.steps & NEVER_S,
            self.prime_steps & NEVER_S,
            self.steps >> 30 | self.prime_steps >> 30 << 15,
            *divmod(self.offset_us, 1_000_000),
            self.offset_day & 0xFFFF | flags,
            self.next_ref | self.plan_index << 16,
            self.program | self.fillings << 15,
            self.resets,
        ]
        instants = (self.resume_us, self.pause_alarm_us, self.lockout_us, self.plan_us, self.bridge_us)
        for instant in (*instants, *self.periodic_us):
            words += (NEVER_S, 0) if instant is None else divmod(instant, 1_000_000)
        words += self.hours
        words[1] |= (self.reserved & 0x3FF) << 20
        words[6] |= (self.reserved >> 10 & 0x3FF) << 20
        words[5] |= self.reserved >> 20 << 17
        head = struct.pack("<4sHHI", b"TCLG", version, len(words), self.sequence)
        return sealed(head + struct.pack(f"<{len(words)}I", *words))

    def but(self, **changes: Any) -> "Ledger":
        """A copy with changes."""
        return replace(self, **changes)


def _instant(words: tuple[int, ...], at: int) -> int | None:
    return None if words[at] == NEVER_S else words[at] * 1_000_000 + words[at + 1]


_FILLINGS_HEAD = (
    "reservoir_pl",
    "reservoir_mark_pl",
    "refilled",
    "refill_step",
    "refill_pl",
    "base_step",
    "base_pl",
)
_FILLINGS_FORMAT = "<QQBQQQQ"


def fillings_of(data: bytes) -> dict[str, Any]:
    """The fillings' table from its bytes."""
    values: dict[str, Any] = dict(
        zip(_FILLINGS_HEAD, struct.unpack_from(_FILLINGS_FORMAT, data), strict=True)
    )
    at = struct.calcsize(_FILLINGS_FORMAT)
    (count,) = struct.unpack_from("<H", data, at)
    at += 2
    values["fillings"] = []
    for _ in range(count):
        (drugs,) = struct.unpack_from("<H", data, at)
        at += 2
        named: list[tuple[str, int]] = []
        for _ in range(drugs):
            size = data[at]
            name = data[at + 1 : at + 1 + size].decode()
            (concentration,) = struct.unpack_from("<Q", data, at + 1 + size)
            named.append((name, concentration))
            at += 9 + size
        step_volume_pl, first_step, first_pl = struct.unpack_from("<IQQ", data, at)
        at += 20
        filling = {
            "drugs": named,
            "step_volume_pl": step_volume_pl,
            "first_step": first_step,
            "first_pl": first_pl,
        }
        values["fillings"].append(filling)
    if at < len(data):  # 0.1 ended here
        values["refills"], at = _refills_of(data, at)
        values["missed"], at = _missed_of(data, at)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes left over")
    return values


def _missed_of(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """What was not seen to move: where its counts begin, and with each filling."""
    (one,) = struct.unpack_from("<H", data, at)
    if one != 1:
        raise ValueError(f"{one} groups of what was not seen to move")
    names = ("base_step", "base_pl", "mark_pl", "refill_step")
    missed: dict[str, Any] = dict(zip(names, struct.unpack_from("<4Q", data, at + 2), strict=True))
    at += 2 + 4 * 8
    (count,) = struct.unpack_from("<H", data, at)
    missed["first_steps"] = list(struct.unpack_from(f"<{count}Q", data, at + 2))
    return missed, at + 2 + 8 * count


_CHECK_NAMES = ("at_s", "day", "filled_pl", "counted_pl", "residual_pl")
_CHECK_FORMAT = "<IHQQQ"


def _refills_of(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """What refills showed, and where it ends."""
    count, size = struct.unpack_from("<HB", data, at)
    if count != 1:
        raise ValueError(f"{count} records of refills")
    lot = data[at + 3 : at + 3 + size].decode()
    expiry_day, pocket, off, checks = struct.unpack_from("<HBBH", data, at + 3 + size)
    refills: dict[str, Any] = {"lot": lot, "expiry_day": expiry_day, "pocket": pocket, "off": off}
    at += 9 + size
    refills["checks"] = []
    for _ in range(checks):
        numbers = struct.unpack_from(_CHECK_FORMAT, data, at)
        refills["checks"].append(dict(zip(_CHECK_NAMES, numbers, strict=True)))
        at += struct.calcsize(_CHECK_FORMAT)
    return refills, at


def _refills_bytes(refills: dict[str, Any]) -> bytes:
    lot = refills["lot"].encode()
    data = struct.pack("<HB", 1, len(lot)) + lot
    data += struct.pack("<HBB", refills["expiry_day"], refills["pocket"], refills["off"])
    data += struct.pack("<H", len(refills["checks"]))
    for check in refills["checks"]:
        data += struct.pack(_CHECK_FORMAT, *[check[name] for name in _CHECK_NAMES])
    return data


def fillings_bytes(values: dict[str, Any]) -> bytes:
    """The fillings' table as bytes."""
    data = struct.pack(_FILLINGS_FORMAT, *[values[name] for name in _FILLINGS_HEAD])
    data += struct.pack("<H", len(values["fillings"]))
    for filling in values["fillings"]:
        data += struct.pack("<H", len(filling["drugs"]))
        for name, concentration in filling["drugs"]:
            data += bytes((len(name.encode()),)) + name.encode() + struct.pack("<Q", concentration)
        data += struct.pack("<IQQ", filling["step_volume_pl"], filling["first_step"], filling["first_pl"])
    return data + (_refills_bytes(values["refills"]) if "refills" in values else b"")
