"""`thecal emulate --tcp`: the serial line of an emulated pump over the network."""

import json
import signal
import socket

import pytest

from .conftest import DEADLINE_S, MORPHINE, Thecal
from .test_bench import ready
from .test_emulate import emulating, first_line


def test_a_pump_over_tcp_is_the_same_pump(thecal: Thecal):
    with ready("--tcp", "127.0.0.1:0", "--speed", "0") as document:
        host, port = document["tcp"].split(":")
        assert host == "127.0.0.1"
        assert int(port) > 0
        url = f"socket://{document['tcp']}"
        assert thecal("program", MORPHINE, "--yes", port=url).code == 0
        assert thecal("bench", "advance", "1 h", port=url).code == 0
        for where in (url, document["port"], url):
            status = json.loads(thecal("status", "--json", port=where).out)
            assert (status["serial"], status["steps"]) == (document["serial_number"], 2000)


def test_one_host_at_a_time(thecal: Thecal):
    with ready("--tcp", "127.0.0.1:0", "--speed", "0") as document:
        host, port = document["tcp"].split(":")
        with socket.create_connection((host, int(port)), DEADLINE_S) as first:
            with socket.create_connection((host, int(port)), DEADLINE_S) as second:
                assert second.recv(1) == b""
            assert "is in use" in thecal("status", port=document["port"]).error
            first.sendall(b"\0")
        assert thecal("status", port=f"socket://{document['tcp']}").code == 0


def test_the_chosen_port_is_said(thecal: Thecal):
    with emulating("--tcp", ":0") as process:
        first_line(process)
        assert process.stderr is not None
        process.stderr.readline()
        said = process.stderr.readline()
        assert said.startswith("Its line is also at socket://127.0.0.1:")
        assert thecal("status", port=said.split()[-1]).code == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


def test_beyond_this_computer_with_a_warning():
    with emulating("--tcp", "0.0.0.0:0", "--json") as process:
        assert json.loads(first_line(process))["tcp"].startswith("0.0.0.0:")
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Warning: whoever reaches 0.0.0.0:")


def test_an_address_in_use_or_unknown(thecal: Thecal):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = thecal("emulate", "--tcp", address).error
    assert (
        said
        == f"{address} cannot be served: Address already in use; name another, or port 0 for any that is free"
    )
    assert "192.0.2.1:9 cannot be served" in thecal("emulate", "--tcp", "192.0.2.1:9").error


@pytest.mark.parametrize("text", ["5000:", "host", "1.2.3.4:99999", "::1:5", "1.2.3.4:-1"])
def test_what_is_no_address(thecal: Thecal, text: str):
    done = thecal("emulate", "--tcp", text)
    assert (done.code, done.out) == (2, "")
    assert "is no HOST:PORT" in done.err
