"""Who may do what, cell by cell, on a real pump; and what needs the button (SEC-04, SEC-05)."""

from collections.abc import Iterator

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal_protocol import messages, roles
from thecal_protocol.codec import name_of

READ = {"limits", "program", "events", "accounts", "log_state", "sensors", "reservoir"}
# by hand, and not from thecal_protocol.roles
ALLOWED = {
    "observer": {"status", "alarms"} | READ,
    "patient": {"status", "alarms", "alarm_silence", "patient_bolus"},
    "clinician": {
        "status",
        "alarms",
        "alarm_silence",
        "patient_bolus",
        "propose",
        "reading",
        "commit",
        "abort",
    }
    | {"stop", "resume", "implant", "cancel_plan", "skip_bridge", "log_key", "log_clear", "alarm_confirm"}
    | {"alarm_test", "self_test", "clear_fault"}
    | READ,
    "manufacturer": {"status", "alarms", "log_key", "log_clear", "self_test"} | READ,
}
PLAIN = {"hello", "auth", "pair"}


@pytest.fixture(scope="module")
def pump() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.mark.req("SEC-04", "SEC-05", part="every request in every role")
@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_every_cell(pump: Emulator, role: str):
    with Client.connect(pump.port, role=role) as client:
        session = client._session
        for opcode in range(1, 256):
            session._seq += 1

            result = raw(client, opcode)
            known = opcode in {row[0] for row in messages.MESSAGES}
            name = name_of(messages.MESSAGES, opcode) if known else ""
            if not known or name in PLAIN:
                assert result == "unknown_opcode", opcode
            elif name in ALLOWED[role]:
                assert result != "wrong_role", name
            else:
                assert result in ("wrong_role", "unknown_opcode"), name


def raw(client: Client, opcode: int) -> str:
    """The result of a request with an empty payload."""
    from thecal_protocol import framing
    from thecal_protocol.secure import TAG_SIZE

    session = client._session
    buffer = bytearray(framing.FRAME_SIZE)
    count = framing.seal_secured(
        buffer, framing.REQUEST_AT, 0, session._session, session._seq, opcode, session._sealer
    )
    link = session.link
    link.send(b"\0" + bytes(buffer[:count]))
    assert link.receive(5)
    reader = link.reader
    assert reader.flags == framing.FORMAT_1 | framing.FLAG_ANSWER | framing.FLAG_SECURED
    assert session._opener.open(reader.buffer, reader.payload_end)
    assert reader.payload_end - TAG_SIZE >= framing.REQUEST_AT
    return name_of(messages.REFUSALS, reader.buffer[framing.TEXT_AT])


def test_the_table_has_a_row_for_every_request_and_no_other():
    rows = messages.in_sessions()
    assert len(rows) == len({opcode for opcode, _ in rows}) == len({name for _, name in rows})
    assert {name for _, name in rows} == {row[1] for row in messages.MESSAGES} - PLAIN
    assert not any(roles.may(role, opcode) for role in (0, 5, 255) for opcode in range(256))


@pytest.mark.req("SEC-10", part="a raised limit and a prime need physical intent")
def test_a_raised_limit_and_a_prime_need_the_button():
    with Emulator(seed=2) as emulator, Client.connect(emulator.port) as client:
        high = rig.therapy()
        low = {**high, "max_rate_pl_per_day": high["max_rate_pl_per_day"] - 1}
        client.commit(client.propose_program(low).digest)
        digest = client.propose_program(high).digest
        with pytest.raises(Refused, match="needs_button"):
            client.commit(digest)
        emulator.bench.press_button()
        client.commit(digest)
        client.commit(client.propose_program(low).digest)  # lowered: no button
        with pytest.raises(Refused, match="needs_button"):
            client.set_implant_flag()
        emulator.bench.press_button()
        client.set_implant_flag()
