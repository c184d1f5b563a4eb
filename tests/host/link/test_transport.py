"""The port itself, over real ptys: what can go wrong with it has a clear error each, and it is fast."""

import os
import threading
import time
import tty
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial

from host.link.fake_device import KEY, FakePump
from thecal.errors import LinkError, PortError
from thecal.link import key_lookup, transport
from thecal.link.client import Client
from thecal.link.session import CommandOutcome
from thecal.link.transport import Transport


class PtyPump:
    """A `FakePump` behind a real pty, served by a thread until closed."""

    def __init__(self, pump: FakePump | None, answer: Callable[[bytes], bytes] = bytes) -> None:
        self.pump = pump
        self.answer = answer
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        key_lookup.provide(self.port, lambda session, hello, role: KEY)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data = os.read(self.master, 4096)
            except OSError:
                return
            if data == b"\xfe":  # not the beginning of any frame here: the test's sign to end
                return
            for answer in self.pump.take(data) if self.pump else [self.answer(data)]:
                os.write(self.master, answer)

    def close(self) -> None:
        if self.master < 0:
            return
        os.write(self._slave, b"\xfe")
        self._thread.join(5)
        key_lookup.withdraw(self.port)
        os.close(self._slave)
        os.close(self.master)
        self.master = -1


@pytest.fixture
def pty_pump() -> Iterator[PtyPump]:
    pump = PtyPump(FakePump())
    yield pump
    pump.close()


def test_a_conversation_over_a_pty(pty_pump: PtyPump):
    with Client.connect(pty_pump.port) as client:
        proposal = client.propose_bolus(1, 2)
        client.commit(proposal.digest)
        assert client.status().state == "infusing"


def test_a_round_trip_is_one_write_one_wait_and_one_read(pty_pump: PtyPump, monkeypatch: pytest.MonkeyPatch):
    """Nothing is asked twice, nothing sleeps, no byte is fetched alone. How long it takes: `make bench`."""
    with Client.connect(pty_pump.port) as client:
        link = client._session.link
        assert isinstance(link, Transport)
        client._session._timeout_s = 20.0  # a busy machine is no reason to ask again
        done: Counter[str] = Counter()

        def counted(owner: object, name: str) -> None:
            carry_out = getattr(owner, name)

            def call(*arguments: object) -> object:
                done[name] += 1
                return carry_out(*arguments)

            monkeypatch.setattr(owner, name, call)

        counted(link._port, "write")
        counted(link, "_read")
        counted(time, "sleep")
        for _ in range(200):
            client.status()
    assert done == {"write": 200, "_read": 200}


def test_a_port_is_open_for_one_only(pty_pump: PtyPump):
    with Transport(pty_pump.port):
        with pytest.raises(PortError, match="in use") as caught:
            Transport(pty_pump.port)
        assert "close the other program" in caught.value.hint
    Transport(pty_pump.port).close()


def test_a_missing_port_names_those_that_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = str(tmp_path / "nothing")
    with pytest.raises(PortError, match="there is no port"):
        Transport(path)

    class Port:
        device = "/dev/ttyACM7"

    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Port()])
    with pytest.raises(PortError, match="the ports here are /dev/ttyACM7"):
        Transport(path)
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    with pytest.raises(PortError, match="thecal emulate"):
        Transport(path)


def test_a_file_is_no_port(tmp_path: Path):
    file = tmp_path / "file.txt"
    file.write_text("text")
    with pytest.raises(PortError, match="is no serial port"):
        Transport(str(file))


def test_an_unknown_url_is_no_port():
    with pytest.raises(PortError, match="is no port"):
        Transport("nonsense://x")


def test_permission_denied_names_the_group(monkeypatch: pytest.MonkeyPatch):
    def denied(*args: object, **kwargs: object) -> None:
        raise serial.SerialException(13, "could not open port")

    monkeypatch.setattr(serial, "serial_for_url", denied)
    with pytest.raises(PortError, match="permission denied for /dev/nowhere; join the group dialout"):
        Transport("/dev/nowhere")


def test_the_group_is_that_of_the_device(tmp_path: Path):
    assert transport.group_of(str(tmp_path / "nothing")) == "dialout"
    assert transport.group_of("/dev/ptmx") in ("tty", "dialout")


@pytest.mark.parametrize("after", ["status", "nothing"])
def test_a_port_that_vanishes_is_a_clear_error(pty_pump: PtyPump, after: str):
    client = Client.connect(pty_pump.port)
    if after == "status":
        client.status()
    pty_pump.close()
    with pytest.raises(PortError, match="vanished while in use"):
        client.status()
    client.close()


def test_a_port_that_vanishes_while_waiting_for_the_answer():
    pump = PtyPump(None, lambda data: b"")
    with Transport(pump.port) as link:
        threading.Timer(0.05, pump.close).start()
        with pytest.raises(PortError, match="vanished"):
            link.receive(10.0)


def test_settle_reopens_the_port(tmp_path: Path):
    pump = FakePump()
    link = tmp_path / "port"
    first = PtyPump(pump)
    link.symlink_to(first.port)
    client = Client.connect(str(link))
    client.status()
    first.close()
    with pytest.raises(PortError):
        client.stop()
    second = PtyPump(pump)
    link.unlink()
    link.symlink_to(second.port)
    assert client.resolve_outcome() is CommandOutcome.NOT_CARRIED_OUT
    client.stop()
    client.close()
    second.close()
    assert len(pump.carried_out) == 1


def test_silence_and_garbage_are_told_apart_on_a_real_port():
    silent = PtyPump(None, lambda data: b"")
    with pytest.raises(LinkError) as caught:
        Client.connect(silent.port, timeout_s=0.01)
    assert caught.value.cause == "silent"
    Transport(silent.port).close()  # a failed connect gives the port back
    silent.close()
    garbage = PtyPump(None, lambda data: b"\xff\x00>>> " * 100)
    with pytest.raises(LinkError) as caught:
        Client.connect(garbage.port, timeout_s=0.01)
    assert caught.value.cause == "garbage"
    garbage.close()


def test_endless_noise_does_not_outlast_the_time_out(pty_pump: PtyPump, monkeypatch: pytest.MonkeyPatch):
    with Transport(pty_pump.port) as link:
        monkeypatch.setattr(link, "_read", lambda timeout_s: b"noise\x00" * 50)
        assert not link.receive(0.02)
        assert link.received > 0
        assert len(link.sample) <= 24


def test_a_pump_that_takes_no_bytes_is_silent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transport, "WRITE_TIMEOUT_S", 0.05)
    master, slave = os.openpty()
    tty.setraw(slave)
    with Transport(os.ttyname(slave)) as link:
        with pytest.raises(LinkError, match="nothing takes the bytes") as caught:
            link.send(bytes(1_000_000))
        assert caught.value.silent
    os.close(slave)
    os.close(master)


def test_other_urls_go_through_pyserial():
    """loop:// sends back what it is given, and has no descriptor to poll."""
    with pytest.raises(LinkError) as caught:
        Client.connect("loop://", timeout_s=0.01)
    assert caught.value.cause == "echo"


def test_a_conversation_over_a_socket():
    import socket

    pump = FakePump()
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = server.accept()
        with peer:
            while data := peer.recv(4096):
                for answer in pump.take(data):
                    peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    key_lookup.provide(url, lambda session, hello, role: KEY)
    with Client.connect(url) as client:
        assert client.status().state == "infusing"
    key_lookup.withdraw(url)
    thread.join(10)
    server.close()
    with pytest.raises(PortError, match="connection refused"):
        Transport(f"socket://127.0.0.1:{server_port_of_nobody()}")


def server_port_of_nobody() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
