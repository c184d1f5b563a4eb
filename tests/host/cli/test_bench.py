"""`thecal bench`: the bench of a pump that `thecal emulate` runs, from another terminal."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thecal.emulator import bench_client, running
from thecal.emulator.bench_server import BenchServer, at
from thecal.emulator.injections import INJECT, listing
from thecal.errors import SimulationError

from .conftest import DEADLINE_S, MORPHINE, Thecal
from .test_emulate import emulating, first_line

HOUR = 2000  # steps, of the example
KEYS = {"schema", "port", "link", "speed", "serial_number", "bench", "pid", "tcp"}


@contextlib.contextmanager
def ready(*arguments: object) -> Iterator[dict[str, Any]]:
    """What `emulate --json` says of a pump; it ends as a signal ends it."""
    with emulating(*arguments, "--json") as process:
        document = json.loads(first_line(process))
        yield document
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


@pytest.fixture(scope="module")
def still() -> Iterator[dict[str, Any]]:
    """A pump whose time stands, and that runs the example."""
    with ready("--speed", "0") as document:
        yield document


def bench_truth(document: dict[str, Any]) -> dict[str, Any]:
    return bench_client.ask(Path(document["bench"]), {"do": "truth"})


def ask(document: dict[str, Any], do: str, **more: Any) -> dict[str, Any]:
    return bench_client.ask(Path(document["bench"]), {"do": do, **more})


def refusal(document: dict[str, Any], do: str, **more: Any) -> str:
    with pytest.raises(SimulationError) as refused:
        ask(document, do, **more)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.req("HOST-21", part="in a folder and with a socket of its user alone")
def test_ready_is_one_document_and_a_private_socket(still: dict[str, Any]):
    assert set(still) == KEYS
    path = Path(still["bench"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (still["speed"], still["tcp"], still["link"]) == ("0", None, None)
    os.kill(still["pid"], 0)
    assert running.found() == [running.Running(**{k: still[k] for k in KEYS - {"schema"}})]


def test_a_day_at_the_bench(thecal: Thecal, tmp_path: Path):
    link = tmp_path / "pump"
    with ready("--speed", "0", "--link", link) as document:
        assert document["bench"] == f"{link}.bench/socket"
        assert thecal("program", MORPHINE, "--yes", port=str(link)).code == 0
        done = thecal("bench", "advance", "6 h", port=str(link))
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("6 h passed; it is ")
        assert json.loads(thecal("bench", "truth", "--json", port=document["port"]).out)["steps"] == 6 * HOUR
        before_us = bench_truth(document)["now_us"]
        done = thecal("bench", "power-cut", "30 min", "--json", "--port", document["serial_number"])
        assert json.loads(done.out) == {"schema": 1, "now_us": before_us + 30 * 60_000_000}
        done = thecal("bench", "inject", "motor_stall", "--lasting", "2 h", "--port", document["bench"])
        assert done.code == 0, done
        thecal("bench", "advance", "1 h", "--port", link)
        truth = bench_truth(document)
        assert truth["steps"] == 6 * HOUR
        assert truth["lost_steps"] > 0
    assert list(tmp_path.glob("pump*")) == []


def test_presses_by_command_and_by_signal(still: dict[str, Any], thecal: Thecal):
    before = bench_truth(still)["presses"]
    done = thecal("bench", "press")
    assert done.code == 0
    assert done.err == f"This was the pump {still['serial_number']} on {still['port']}.\n"
    os.kill(still["pid"], signal.SIGUSR1)
    until_s = time.monotonic() + DEADLINE_S
    while bench_truth(still)["presses"] < before + 2:
        assert time.monotonic() < until_s
    assert bench_truth(still)["presses"] == before + 2


def test_every_injection_of_the_list_is_taken_as_it_stands_there(thecal: Thecal):
    rows = json.loads(thecal("bench", "inject", "--json").out)["injections"]
    assert [row["name"] for row in rows] == list(INJECT) == [row["name"] for row in listing()]
    text = thecal("bench", "inject").out
    assert "celsius=-40 °C to 125 °C" in text
    assert "percent=0 % to 100 %" in text
    with ready("--speed", "0") as document:
        for row in rows:
            values: dict[str, Any] = {}
            for value in row["values"]:
                word = value["example"].partition(" = ")[2].strip('"')
                values[value["name"]] = int(word) if word.isdecimal() else word
            lasting = "10 min" if row["lasting"] else ""
            ask(document, "inject", name=row["name"], lasting=lasting, values=values)
            ask(document, "advance", duration="1 min")
        assert ask(document, "truth")["now_us"] > len(rows) * 60_000_000


def test_what_is_mistyped_is_named(still: dict[str, Any], thecal: Thecal):
    port = still["port"]
    mistyped = thecal("bench", "inject", "motor_stal", port=port).error
    assert "did you mean motor_stall?" in mistyped
    warm = thecal("bench", "inject", "temperature", "celsius=200", port=port).error
    assert "200 is not within -40 °C to 125 °C" in warm
    assert "celsius" in thecal("bench", "inject", "temperature", "celcius=20", port=port).error
    assert "is no KEY=VALUE" in thecal("bench", "inject", "temperature", "20", port=port).err
    assert "has to end" in thecal("bench", "inject", "power_cut", port=port).error
    bare = thecal("bench", "advance", "6", port=port)
    assert bare.code == 2
    assert bare.err.count("\n") == 1
    assert "at is no value" in refusal(still, "inject", name="hang", values={"at": "5 h"})


@pytest.mark.parametrize(("speed", "clock"), [("1", "real"), ("60", "scaled"), ("max", "free")])
def test_other_clocks_do_not_wait_for_the_bench(speed: str, clock: str, thecal: Thecal):
    with ready("--speed", speed) as document:
        refused = thecal("bench", "advance", "1 h", port=document["port"]).error
        assert f"its clock is {clock}" in refused
        assert "--speed 0" in refused
        presses = bench_truth(document)["presses"]
        assert thecal("bench", "press", port=document["port"]).code == 0
        assert bench_truth(document)["presses"] == presses + 1
        assert thecal("bench", "power-cut", "1 min", port=document["port"]).code == 0
        assert thecal("bench", "inject", "hang", port=document["port"]).code == 0


BAD_LINES = [
    (b"{", "one JSON object a line"),
    (b"[1]", "one JSON object a line"),
    (b"[" * 4000, "one JSON object a line"),
    (b"\xff\xfe", "one JSON object a line"),
    (b'{"do": "advanse"}', "did you mean advance?"),
    (b'{"do": 7}', "knows no request 7"),
    (b'{"do": "advance"}', "advance: duration: "),
    (b'{"do": "advance", "duration": 6}', "advance: duration: "),
    (b'{"do": "advance", "duration": "6"}', "unit"),
    (b'{"do": "advance", "duration": "-6 h"}', "-6 h"),
    (b'{"do": "truth", "collect": false}', "truth: collect: "),
    (b'{"do": "quit"}', "knows no request 'quit'"),
    (b'{"do": "inject", "name": "hang", "values": {"lasting": "1 s"}}', "lasting is no value"),
    (b'{"do": "inject", "name": "hang", "values": {"self": "1 s"}}', "self"),
]


@pytest.mark.parametrize(("line", "said"), BAD_LINES)
def test_a_bad_line_is_refused_and_the_next_one_heard(still: dict[str, Any], line: bytes, said: str):
    before = bench_truth(still)
    with socket.socket(socket.AF_UNIX) as client, at(Path(still["bench"])) as address:
        client.settimeout(DEADLINE_S)
        client.connect(address)
        answers = client.makefile("rb")
        client.sendall(line + b'\n{"do": "truth"}\n')
        answer = json.loads(answers.readline())
        assert answer["ok"] is False
        assert said in f"{answer['error']}; {answer['hint']}"
        after = json.loads(answers.readline())
    assert (after["now_us"], after["steps"]) == (before["now_us"], before["steps"])


def test_who_is_silent_or_never_ends_keeps_nobody_from_the_bench(still: dict[str, Any]):
    with contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(20)]
        for client in clients:
            with at(Path(still["bench"])) as address:
                client.connect(address)
            bench_truth(still)
        clients[-1].settimeout(DEADLINE_S)
        with contextlib.suppress(OSError):
            clients[-1].sendall(b"x" * 100_000)
            assert clients[-1].recv(1) == b""
        bench_truth(still)


def test_an_advance_that_nobody_waits_for_any_more_ends():
    with ready("--speed", "0") as document:
        with socket.socket(socket.AF_UNIX) as client:
            with at(Path(document["bench"])) as address:
                client.connect(address)
            client.sendall(b'{"do": "advance", "duration": "90 y"}\n')
        assert bench_truth(document)["now_us"] < 90 * 365 * 86400 * 1_000_000


def test_a_signal_ends_the_emulator_amid_an_advance():
    with (
        ready("--speed", "0") as document,
        socket.socket(socket.AF_UNIX) as client,
        at(Path(document["bench"])) as address,
    ):
        client.connect(address)
        client.sendall(b'{"do": "advance", "duration": "90 y"}\n')


@pytest.mark.req("HOST-21", part="another user's is refused at both ends")
def test_another_users_bench_is_refused(still: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    folder = Path(still["bench"]).parent
    folder.chmod(0o755)
    try:
        assert "is not yours alone" in refusal(still, "truth")
    finally:
        folder.chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 12345)
        assert "is not yours alone; only who started a pump reaches its bench" in refusal(still, "truth")


@pytest.mark.req("HOST-21", part="another user's is refused at both ends")
def test_the_bench_hears_nobody_whose_number_is_another(monkeypatch: pytest.MonkeyPatch):
    """As the system tells it of whoever connects. By a seam, so that it needs no second user."""
    server = BenchServer(None)
    try:
        for of_the_pump, heard in ((os.geteuid(), True), (os.geteuid() + 1, False)):
            with monkeypatch.context() as patch, socket.socket(socket.AF_UNIX) as line:
                patch.setattr(os, "geteuid", lambda uid=of_the_pump: uid)
                line.connect(str(server.path))
                server._welcome()
                line.setblocking(False)
                if heard:
                    with pytest.raises(BlockingIOError):
                        line.recv(1)
                else:
                    assert line.recv(1) == b""
    finally:
        server.close()


@pytest.mark.req("HOST-21", part="another user's is refused at both ends")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_the_bench_hears_no_other_user(still: dict[str, Any]):
    path = Path(still["bench"])
    ask_as = (
        "import os, socket, sys\n"
        "line = socket.socket(socket.AF_UNIX)\n"
        "os.seteuid(65534)\n"
        "line.connect(sys.argv[1])\n"
        'line.sendall(b\'{"do": "truth"}\\n\')\n'
        "sys.exit(line.recv(1) != b'')\n"
    )
    short = Path("/tmp") / f"thecal-test-{os.getpid()}"
    short.symlink_to(path.parent)
    modes = [(place, place.stat().st_mode) for place in (path, *path.parents[:4])]
    try:
        for place, _ in modes:
            place.chmod(0o777)
        done = subprocess.run(["python3", "-c", ask_as, f"{short}/socket"], capture_output=True, check=False)
        assert done.returncode == 0 or b"reset" in done.stderr or b"Broken" in done.stderr, done
    finally:
        short.unlink()
        for place, mode in modes:
            place.chmod(stat.S_IMODE(mode))
    bench_truth(still)


def test_which_pump(still: dict[str, Any], thecal: Thecal, tmp_path: Path):
    wrong = thecal("bench", "truth", port="/dev/ttyACM9").error
    assert wrong == f"no emulated pump of yours runs on /dev/ttyACM9; there is one on {still['port']}"
    link = tmp_path / "other"
    with ready("--speed", "0", "--link", link):
        done = thecal("bench", "truth")
        assert done.code == 2
        assert "which pump? Give its --port: 2 emulated pumps run: " in done.err
        assert str(link) in done.err
    assert thecal("bench", "truth").code == 0


def test_two_runs_in_one_folder(thecal: Thecal, tmp_path: Path):
    link, flash = tmp_path / "pump", tmp_path / "flash"
    with ready("--link", link, "--flash", flash):
        again = thecal("emulate", "--link", link).error
        assert (
            again == f"{link} is the port of another pump that runs; end that one first, or name another path"
        )
        again = thecal("emulate", "--flash", flash).error
        assert again.startswith(f"another pump runs on the flash {flash}; end that one first")
    (tmp_path / "pump.bench").write_text("mine")
    assert thecal("emulate", "--link", link).error.endswith("name another path for the port")
    assert (tmp_path / "pump.bench").read_text() == "mine"


def test_what_a_killed_one_left_is_taken_over(thecal: Thecal, tmp_path: Path):
    link = tmp_path / "pump"
    with emulating("--speed", "0", "--link", link) as process:
        assert first_line(process) == str(link)
        process.kill()
        process.wait()
    assert (tmp_path / "pump.bench" / "socket").is_socket()
    assert "the pump has ended: start it again" in thecal("bench", "truth", port=str(link)).error
    assert str(link) not in [pump.link for pump in running.found()]
    with ready("--speed", "0", "--link", link) as document:
        assert bench_truth(document)["steps"] == 0


def test_a_pump_that_dies_amid_a_request_says_so(thecal: Thecal):
    with emulating("--speed", "0", "--json") as process:
        document = json.loads(first_line(process))
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
        )
        os.kill(int(listed.stdout.split()[0]), signal.SIGKILL)
        assert process.wait(DEADLINE_S) == 1
        assert process.stderr is not None
        assert process.stderr.read() == "the emulated pump ended by itself, exit code -9\n"
        assert "no emulated pump of yours runs on" in thecal("bench", "truth", port=document["port"]).error
