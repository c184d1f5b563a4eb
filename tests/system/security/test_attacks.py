"""Every attack of docs/reference/security.md, carried out against the real firmware over its line (SEC)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PumpReset
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.session import Session
from thecal.link.transport import Transport
from thecal_protocol import framing, messages
from thecal_protocol.roles import CLINICIAN
from thecal_protocol.secure import pairing_key

from .attacker import SILENCE_S, Tap, ask, body_of, hello, mended, plain

SERIAL = "UNIX-C4494050"
OPEN = (messages.HELLO, messages.AUTH, messages.PAIR)


@pytest.fixture
def pump() -> Iterator[Emulator]:
    """A pump that runs a therapy; its time stands still."""
    with Emulator(seed=1) as emulator:
        with Client.connect(emulator.port) as client:
            client.commit(client.propose_program(rig.therapy()).digest)
        yield emulator


@pytest.fixture
def blank() -> Iterator[Emulator]:
    """A pump that nobody has paired with."""
    with Emulator(seed=1, paired=False) as emulator:
        yield emulator


def state(pump: Emulator) -> str:
    with Client.connect(pump.port) as client:
        return client.status().state


def try_key(line: Transport, key: bytes, role: int = CLINICIAN) -> str:
    """Open a session with this key; why not."""
    session = Session(line, role=role)
    with pytest.raises(Refused) as refused:
        session.open(session.greet(), role, key)
    return refused.value.name


def sealed_stop(client: Client) -> bytes:
    """The next request of this session, a stop, that never left the host."""
    session = client._session
    return session._frame_of(session._session, session._seq + 1, messages.STOP, {"resume_after_s": 0})


@pytest.mark.req("SEC-01", part="nothing is done for who has no session")
def test_every_request_in_the_clear(pump: Emulator):
    with Transport(pump.port) as line:
        for opcode in set(range(256)) - set(OPEN):
            for session in (0, 1, 2, 3):
                answer = ask(line, plain(opcode, session=session))
                assert answer is not None
                assert answer.result == "unauthenticated", opcode
    assert state(pump) == "infusing"


@pytest.mark.req("SEC-07", part="a pump that nobody paired with takes nothing")
def test_an_unpaired_pump_takes_nothing(blank: Emulator):
    with Transport(blank.port) as line:
        for role in range(6):
            assert try_key(line, bytes(16), role) in ("not_paired", "slow_down")
        for opcode in set(range(256)) - set(OPEN):
            answer = ask(line, plain(opcode))
            assert answer is not None
            assert answer.result == "unauthenticated"
        values: dict[str, object] = {"role": CLINICIAN, "public": bytes(range(32))}
        answer = ask(line, plain(messages.PAIR, values))
        assert answer is not None
        assert answer.result == "needs_button"


@pytest.mark.req("SEC-07", part="no default key, none derived from what is known of a pump")
def test_default_keys_and_keys_made_of_the_serial_number(pump: Emulator):
    known = [b"", SERIAL.encode(), b"thecal", b"thecal-unix", SERIAL.encode() + b"\x03"]
    guesses = [bytes((byte,)) * 16 for byte in (0, 1, 0x55, 0xFF)] + [bytes(range(16))]
    guesses += [SERIAL.encode().ljust(16, pad) for pad in (b"\0", b" ", b"0")]
    for name in ("md5", "sha1", "sha256"):
        guesses += [hashlib.new(name, text).digest()[:16] for text in known]
    with Transport(pump.port) as line:
        for key in guesses:
            pump.bench.press_button()  # ends the slow-down
            assert try_key(line, key) == "wrong_key"
    assert pump.key(CLINICIAN) not in guesses


@pytest.mark.req("SEC-07", part="two pumps have different keys")
def test_the_key_of_one_pump_does_not_open_another(pump: Emulator):
    with Emulator(seed=2, serial_number=SERIAL) as other:
        Client.connect(other.port).close()
        key = other.key(CLINICIAN)
    assert key is not None
    assert key != pump.key(CLINICIAN)
    with Transport(pump.port) as line:
        assert try_key(line, key) == "wrong_key"


@pytest.mark.req("SEC-09", part="guesses are slowed down and logged a few times")
def test_brute_force_is_slowed_down(pump: Emulator):
    looked_at = 0
    with Transport(pump.port) as line:
        for second in range(1000):
            looked_at += try_key(line, second.to_bytes(16, "little")) == "wrong_key"
            pump.bench.advance_by(1_000_000)
        pump.bench.press_button()
        client = Client(line)
        client.hello()
        notes = [event for event in client.events(0) if event.kind == "authentication_failed"]
    assert looked_at <= 14  # 2 free ones, then after 1, 2, 4 ... 256 s
    assert 1 <= len(notes) <= 5


@pytest.mark.req("SEC-02", part="inside a session")
def test_replay_inside_a_session(pump: Emulator):
    with Tap(pump.port) as line:
        client = Client(line)
        client.stop()
        recorded = line.sent[-1]
        client.resume()
        answer = ask(line, recorded)
        assert answer is not None
        assert answer.result == "stale_counter"
        assert client.status().state == "infusing"


@pytest.mark.req("SEC-02", part="in a later session, after a reset and after a power cut")
@pytest.mark.parametrize("between", ["session", "reset", "power cut"])
def test_a_recorded_session_replayed_later(pump: Emulator, between: str):
    with Tap(pump.port) as line:
        client = Client(line)
        client.stop()
        client.resume()
        client.stop()
        recorded = list(line.sent)
        client.resume()
    if between == "reset":
        with pytest.raises(PumpReset) as reset:
            pump.bench.inject_raw("watchdog_bite")
        pump.restart_after(reset.value)
    elif between == "power cut":
        pump.restart(world=pump.bench.power_cut())
    with Transport(pump.port) as line:
        for frame in recorded:
            answer = ask(line, frame)
            assert answer is not None
            assert not answer.secured
            opcode = body_of(frame)[5]
            is_hello = not body_of(frame)[0] & framing.FLAG_SECURED and opcode == messages.HELLO
            assert answer.result == "ok" if is_hello else answer.result != "ok"
    assert state(pump) == "infusing"


@pytest.mark.req("SEC-01", part="who listens learns no program and no key")
def test_sniffing(blank: Emulator):
    with Tap(blank.port) as line:
        client = Client(line, find_key=blank._find_key)  # pairs
        client.commit(client.propose_program(rig.therapy()).digest)
        assert client.running_program() is not None
        bodies = [body_of(frame) for sent in line.sent for frame in sent.split(b"\0") if frame]
        bodies += [body_of(frame) for frame in line.heard.split(b"\0") if frame]
    key = blank.key(CLINICIAN)
    assert key is not None
    said = b"|".join(bodies)
    drug = rig.therapy()["drugs"][0]["name"].encode()
    assert len(drug) > 3
    assert drug not in said
    assert key not in said
    assert SERIAL.encode() in said  # what is in the clear is seen

    publics = {body[at : at + 32] for body in bodies for at in (7, 8) if len(body) in (7 + 1 + 32, 7 + 32)}
    publics |= {body[-32:] for body in bodies if len(body) in (6 + 1 + 1 + 32, 7 + 1 + 32)}
    assert len(publics) >= 2
    for mine in publics:
        for theirs in publics:
            for shared in (*publics, bytes(32)):
                assert pairing_key(shared, mine, theirs, CLINICIAN, SERIAL) != key


@pytest.mark.req("SEC-03", part="every bit of a sealed frame, CRC mended")
def test_bit_flips_with_a_mended_crc(pump: Emulator):
    with Tap(pump.port) as line:
        client = Client(line)
        client.status()
        frame = sealed_stop(client)
        body = body_of(frame)
        for at in range(len(body)):
            for bit in range(8):
                flipped = bytearray(body)
                flipped[at] ^= 1 << bit
                answer = ask(line, mended(bytes(flipped)), SILENCE_S if at == 0 else 5.0)
                assert answer is None or (not answer.secured and answer.result != "ok"), (at, bit)
        assert client.status().state == "infusing"
        assert ask(line, sealed_stop(client)) is not None  # the untouched one is taken
        client.hello()
        assert client.status().state == "stopped"


@pytest.mark.req("SEC-03", part="a tag that is cut short, or made longer")
def test_truncated_tags(pump: Emulator):
    with Transport(pump.port) as line:
        client = Client(line)
        client.status()
        body = body_of(sealed_stop(client))
        for size in range(6, len(body)):
            answer = ask(line, mended(body[:size]))
            assert answer is not None
            assert answer.result in ("truncated_tag", "not_authentic"), size
        for extra in (b"\0", bytes(8)):
            answer = ask(line, mended(body + extra))
            assert answer is not None
            assert answer.result == "not_authentic"
        assert client.status().state == "infusing"


@pytest.mark.req("SEC-01", part="no older protocol")
def test_a_downgraded_version(pump: Emulator):
    with Transport(pump.port) as line:
        frames = [hello(protocol) for protocol in (0, 1, 2, messages.PROTOCOL_VERSION + 1, 255)] + [
            hello(hash_=bytes(8)),
            hello(hash_=b""),
        ]
        for frame in frames:
            answer = ask(line, frame)
            assert answer is not None
            assert answer.result == "protocol_mismatch"
    assert state(pump) == "infusing"


@pytest.mark.req("SEC-01", part="a second host ends the first one's session, not therapy")
def test_two_hosts_at_once(pump: Emulator):
    with Transport(pump.port) as line:
        first, second = Client(line), Client(line)
        first.propose_program({**rig.therapy(), "name": "another"})
        second.status()
        answer = ask(line, sealed_stop(first))
        assert answer is not None
        assert answer.result == "no_session"
        with pytest.raises(Refused, match="no_proposal"):
            second.commit(bytes(16))
        assert second.status().state == "infusing"


@pytest.mark.req("SEC-01", part="a host that vanishes amid a commit leaves therapy as it was")
def test_a_host_that_vanishes_amid_a_commit(pump: Emulator):
    with Tap(pump.port) as line:
        client = Client(line)
        before = client.running_program()
        proposal = client.propose_program({**rig.therapy(), "name": "another"})
        session = client._session
        values: dict[str, object] = {"digest": proposal.digest}
        frame = session._frame_of(session._session, session._seq + 1, messages.COMMIT, values)
        line.send(frame[: len(frame) // 2])
    with Transport(pump.port) as line:
        client = Client(line)
        assert client.running_program() == before
        with pytest.raises(Refused, match="no_proposal"):
            client.commit(proposal.digest)
        assert client.status().state == "infusing"


@pytest.mark.req("SEC-06", part="3 min without a request, 8 h in all")
@pytest.mark.parametrize(("every_s", "times"), [(181, 1), (170, 170)])
def test_a_session_that_was_left_open(pump: Emulator, every_s: int, times: int):
    with Transport(pump.port) as line:
        client = Client(line)
        client.status()
        number = client._session._session
        for _ in range(times - 1):
            pump.bench.advance_by(every_s * 1_000_000)
            client.status()
            assert client._session._session == number
        pump.bench.advance_by(every_s * 1_000_000)
        ask(line, sealed_stop(client))  # refused, sealed: the session has expired
        client.hello()
        assert client.status().state == "infusing"
        assert [event.kind for event in client.events(0)].count("session_ended") == 1


@pytest.mark.req("SEC-09", part="a flood wakes the pump 200 times, then 11 times a second at most")
def test_requests_cannot_drain_the_battery(tmp_path: Path):
    """Twenty minutes of 4,000 bytes a second, in bursts of about 100: 48,000 of them."""
    span_s = 20 * 60
    waits: list[int] = []
    for flooded in (False, True):
        with Emulator(seed=3) as pump, Transport(pump.port) as line:
            client = Client(line)
            client.commit(client.propose_program(rig.therapy()).digest)
            before = pump.bench.truth()
            if flooded:
                pump.bench.inject_raw("link_flood", bytes_per_s=4000)
            pump.bench.advance_by(span_s * 1_000_000)
            after = pump.bench.truth()
            waits.append(after.waits - before.waits)
            if flooded:
                pump.bench.inject_raw("link_flood", bytes_per_s=4000, for_us=1)
                pump.bench.advance_by(2_000_000)
                for _ in range(300):  # at one instant: the budget is used up
                    ask(line, hello())
                assert client.status().state == "infusing"  # whoever has a key gets in as before,
                calm = pump.bench.truth()
                pump.bench.advance_by(3600_000_000)  # and the pump sleeps as before
                assert pump.bench.truth().waits - calm.waits < 2 * waits[0] * 3600 / span_s + 60
        assert after.steps - before.steps > 200
    bursts = span_s * 4000 / 100
    assert 10 * span_s < waits[1] - waits[0] <= 200 + 11 * span_s
    assert waits[1] - waits[0] < bursts / 3


def a_day(folder: Path, flooded: bool) -> tuple[bytes, int, int]:
    """The motor's trace of 24 h, how often the pump woke up, and by how much its heap grew."""
    trace = folder / f"trace-{flooded}"
    with Emulator(seed=3) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(rig.therapy()).digest)
        with Transport(pump.port) as line:
            pump.bench.mark()
            pump.bench.trace(trace)
            ask(line, hello())
            before = pump.bench.truth()
            if flooded:
                pump.bench.inject_raw("link_flood", bytes_per_s=4)
            for _ in range(24 * 6):
                if flooded:
                    ask(line, hello())
                pump.bench.advance_by(600_000_000)
            after = pump.bench.truth()
            pump.bench.trace(None)
    return trace.read_bytes(), after.waits - before.waits, after.heap_live - before.heap_live


@pytest.mark.req("SEC-08", "SEC-09", part="a day of garbage and hellos moves no step and grows no memory")
def test_a_flood_of_a_day(tmp_path: Path):
    quiet, waits, _ = a_day(tmp_path, flooded=False)
    flooded, more_waits, grown = a_day(tmp_path, flooded=True)
    assert len(quiet) > 8 * 1000
    assert flooded == quiet
    assert abs(grown) < 4096
    assert more_waits - waits <= 86_400 * 4  # never more than one for each byte
