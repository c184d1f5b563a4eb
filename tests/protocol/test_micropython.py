"""`wire` on both MicroPythons does what it does on CPython: the same vectors, the same lines out.

CPython's own lines are held against other implementations in test_framing and test_codec.
"""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.wire_values import TABLES, Frame, plain_frame, plainly_encoded, random_values

PARTS = 8
SCRIPT = Path(__file__).with_name("on_device.py")


def jsonable(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, dict):
        return {name: jsonable(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(entry) for entry in value]
    return value


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """The same, cut, longer, or with some bytes changed."""
    out = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(out[: rng.randrange(len(out) + 1)])
    if kind == 1:
        return bytes(out) + rng.randbytes(3)
    for _ in range(kind):
        if out:
            out[rng.randrange(len(out))] = rng.choice((0, 0, 255, rng.randrange(256)))
    return bytes(out)


def vectors(seed: int) -> dict[str, Any]:
    """Values, good and spoiled blobs, hard UTF-8, and streams of good and spoiled frames."""
    rng = random.Random(seed)
    values: list[Any] = []
    blobs: list[Any] = []
    for name in sorted(TABLES):
        fields = TABLES[name]
        for _ in range(3):
            one = random_values(fields, rng)
            blob = plainly_encoded(fields, one)
            values.append((name, one))
            blobs += [(name, blob)] + [(name, spoiled(blob, rng)) for _ in range(3)]
    for lead in range(0x80, 0x100):
        for second in rng.sample((0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF), 3):
            text = bytes((lead, second)) + rng.choice((b"", b"\x80", b"\xbf\x80", b"\x80\x7f"))
            blobs.append(("refused", bytes((len(text),)) + text))
    seals = [
        (
            rng.randrange(65536),
            rng.randrange(65536),
            rng.randrange(256),
            rng.randrange(-1, 256),
            rng.randbytes(n),
        )
        for n in (0, 1, 2, 17, 100, 234, 235)
        for _ in range(4)
    ]
    streams: list[Any] = []
    for _ in range(12):
        stream = b""
        for _ in range(8):
            flags = rng.choice((0x10, 0x11, 0x12, 0x13, 0x20, 0x15))
            payload = rng.randbytes(rng.choice((0, 9, 235)))
            frame = Frame(flags, rng.randrange(65536), rng.randrange(65536), 3, 4, payload)
            stream += rng.choice((plain_frame(frame), plain_frame(frame), spoiled(plain_frame(frame), rng)))
        streams.append((stream, rng.choice((1, 7, 64, 4096))))
    return {"values": values, "blobs": blobs, "streams": streams, "seals": seals}


@pytest.fixture(scope="module")
def programs() -> list[str]:
    """on_device.py with the vectors, in parts that fit the megabyte that MicroPython has on WebAssembly."""
    whole = jsonable(vectors(20260105))
    programs: list[str] = []
    for part in range(PARTS):
        text = json.dumps({name: items[part::PARTS] for name, items in whole.items()}, ensure_ascii=False)
        head = f"VECTORS = {text!r}\nALL_KINDS = {TABLES['all kinds']!r}\n"
        programs.append(head + SCRIPT.read_text(encoding="utf-8"))
    return programs


@pytest.fixture(scope="module")
def expected(programs: list[str], repo_root: Path) -> list[list[str]]:
    """What CPython prints for each part."""
    setup = f"import sys; sys.path.insert(0, {str(repo_root / 'firmware')!r}); exec(sys.stdin.read())"
    command = [sys.executable, "-c", setup]
    return [
        subprocess.run(
            command, input=program, capture_output=True, text=True, check=True, timeout=60
        ).stdout.splitlines()
        for program in programs
    ]


def test_the_vectors_hold_what_they_should(expected: list[list[str]]):
    lines = [line for part in expected for line in part]
    kinds = [line.split()[0] for line in lines]
    assert kinds.count("encoded") == 3 * len(TABLES)
    assert kinds.count("frame") > 20
    errors = {line.split()[1] for line in lines if line.startswith("error")}
    assert errors == {"1", "2", "3"}  # truncated, trailing, bad utf-8


def test_unix_port(programs: list[str], expected: list[list[str]], run_micropython: Any):
    for program, lines in zip(programs, expected, strict=True):
        assert run_micropython(program, heap="4M").stdout.splitlines() == lines


def test_31_bit_small_integers(programs: list[str], expected: list[list[str]], run_wasm: Any):
    for program, lines in zip(programs, expected, strict=True):
        assert run_wasm(program).stdout.splitlines() == lines


RANGE_CHECK = """
from thecal_protocol import codec
for kind, low, high in (("u8", 0, 2**8-1), ("u16", 0, 2**16-1), ("u32", 0, 2**32-1), ("u64", 0, 2**64-1),
                        ("i64", -2**63, 2**63-1)):
    for value in (low - 1, high + 1, 10**30, -10**30, "1", None, [1]):
        try:
            codec.encoded((("x", kind),), {"x": value})
            print("taken", kind, value)
        except codec.WireError as error:
            print(kind, error.number)
    for value in (low, high):
        print(kind, bytes(codec.encoded((("x", kind),), {"x": value})))
"""


def test_ranges_are_kept_on_every_interpreter(run_micropython: Any, run_wasm: Any):
    lines = run_micropython(RANGE_CHECK).stdout.splitlines()
    assert lines == run_wasm(RANGE_CHECK).stdout.splitlines()
    assert not any(line.startswith("taken") for line in lines)
    assert lines.count("u64 4") == 4
    assert lines.count("u64 5") == 3


NO_ALLOCATION = """
import micropython
from thecal_protocol import framing
reader = framing.FrameReader()
noise = bytearray(b"\\x03ab\\x02\\xff\\0" * 20 + b"long" * 90 + b"\\0" + b"\\xfano cobs at all\\0" * 5)
def flood():
    for _ in range(20):
        at = 0
        while at < len(noise):
            at = reader.feed(noise, at, len(noise))
flood()
micropython.heap_lock()
flood()
micropython.heap_unlock()
print(reader.good, reader.bad)
"""


@pytest.mark.req("SEC-08", part="framing")
def test_noise_costs_no_memory(run_micropython: Any, run_wasm: Any):
    """Noise that does not even look like a frame; what looks like one costs a slice for its CRC."""
    assert run_micropython(NO_ALLOCATION).stdout.split() == ["0", str(40 * 26)]
    assert run_wasm(NO_ALLOCATION).stdout.split() == ["0", str(40 * 26)]
