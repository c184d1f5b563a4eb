"""What `make bench` measures of the link: boot, sessions, round trips, and what a frame costs."""

import time
from pathlib import Path

from workloads import constant

from thecal.emulator.emulator import Emulator
from thecal.link.cipher import Cipher
from thecal.link.client import Client
from thecal.link.session import Session
from thecal.link.transport import Transport
from thecal_protocol import framing, messages
from thecal_protocol.roles import CLINICIAN
from thecal_protocol.secure import KEY_SIZE, SALT_SIZE

Measured = tuple[str, float, str, str, str, str]  # name, value, unit, better, note, target
_TICKS_PER_S = 100  # of /proc's processor times


def boot_s() -> float:
    """Wall seconds from nothing to the first answered hello."""
    began = time.perf_counter()
    with Emulator(seed=1) as pump, Transport(pump.port) as line:
        Session(line).greet()
        return time.perf_counter() - began


def overhead_bytes() -> int:
    """What a sealed request of one byte of opcode and ten of payload has more than these, delimiter and
    all."""
    buffer = bytearray(framing.FRAME_SIZE)
    end = framing.REQUEST_AT + 10
    cipher = Cipher(bytes(KEY_SIZE), bytes(SALT_SIZE))
    return framing.seal_secured(buffer, end, 0, 1, 1, messages.STATUS, cipher) - 11


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _set_up_ms(client: Client, pump: Emulator, tries: int) -> float:
    """Hello, challenge, proof, answer: a session, in milliseconds, the median of some."""
    key = pump.key(CLINICIAN)
    assert key is not None
    session = client._session
    took: list[float] = []
    for _ in range(tries):
        began = time.perf_counter()
        session.open(session.greet(), CLINICIAN, key)
        took.append(1000 * (time.perf_counter() - began))
    return sorted(took)[tries // 2]


def figures(quick: bool) -> list[Measured]:
    """Boot, sessions and round trips over the pty."""
    count, rounds = (500, 2) if quick else (3000, 4)
    boot = min(boot_s() for _ in range(3 if quick else 10))
    trips: list[float] = []
    per_s = 0.0
    pump_us = float("inf")
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(constant(120)).digest)
        for _ in range(rounds):
            used_s = _processor_s(pump.process.pid)
            first = time.perf_counter()
            for _ in range(count):
                began = time.perf_counter()
                client.status()
                trips.append(1000 * (time.perf_counter() - began))
            per_s = max(per_s, count / (time.perf_counter() - first))
            pump_us = min(pump_us, (_processor_s(pump.process.pid) - used_s) * 1e6 / count)
        set_up = _set_up_ms(client, pump, 20 if quick else 200)
    trips.sort()
    how = f"{len(trips)} sealed status requests on the pty, while therapy runs; host, pty and pump together"
    at_best = f"the same, the best of {rounds} times {count}"
    sealed = "a sealed request: all but opcode and payload; COBS, delimiter, CRC, counter and 8-byte tag"
    whole = "the pump's processor time for one: read, verify, decode, carry out, seal and write"
    return [
        ("boot_s", boot, "s", "lower", "new process to first answered hello, best of some", "< 0.15"),
        ("link_round_trip_ms_p50", trips[len(trips) // 2], "ms", "lower", how, "< 2"),
        ("link_round_trip_ms_p99", trips[len(trips) * 99 // 100], "ms", "lower", how, ""),
        ("round_trips_per_s", per_s, "1/s", "higher", at_best, ">= 1000"),
        ("status_request_us", pump_us, "us", "lower", whole, "< 1000"),
        ("session_setup_ms", set_up, "ms", "lower", "hello, challenge, proof and answer; median", "< 50"),
        ("frame_overhead_bytes", overhead_bytes(), "B", "lower", sealed, "<= 20"),
    ]
