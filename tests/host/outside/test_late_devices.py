"""Devices that drip: one byte at a time for ever, or each page of an endless list just in time."""

import contextlib
import io
import os
import threading
import time
import tty
from collections.abc import Iterator

import pytest

from host.outside.hostile import Answer, HostilePump, honest, plugged
from host.outside.lies import STOCK
from thecal import cli
from thecal.errors import LinkError
from thecal.link import bare_console
from thecal.link.client import Client
from thecal.link.patience import Patience
from thecal.link.transport import Transport
from thecal_protocol.messages import ACCOUNTS, ALARMS_LIST, EVENTS, LIMITS, RESERVOIR

SOAK = bool(os.environ.get("THECAL_SOAK"))
MOST_S = 20.0
TIMEOUT_S = 0.25 if SOAK else 0.01  # of one try of a request
LISTS = {
    ALARMS_LIST: ("alarms", "total"),
    LIMITS: ("limits", "total"),
    RESERVOIR: ("checks", "total"),
    ACCOUNTS: ("fillings", "fillings_total"),
}
READING = (*STOCK.split("|"), "report --out r.html")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """All time-outs 25 times shorter: what is measured is how many are waited for."""
    for call in (Client.__init__, Client.connect.__func__):  # pyright: ignore[reportFunctionMemberAccess]
        monkeypatch.setitem(call.__kwdefaults__, "timeout_s", TIMEOUT_S)  # pyright: ignore[reportArgumentType]
    if not SOAK:
        monkeypatch.setattr(bare_console, "_PATIENCE_S", 0.12)
    monkeypatch.setenv("THECAL_STORE", f"{tmp_path}/store.sqlite")
    monkeypatch.chdir(str(tmp_path))


def said(command: str, port: str) -> tuple[int, str, float]:
    err = io.StringIO()
    began = time.monotonic()
    words = command.split()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = cli.run([*words, "--port", port])
    return code, err.getvalue(), time.monotonic() - began


def _endless(opcode: int, request: Answer, answer: Answer) -> None:
    """There is always a next one; each is late, and none too late."""
    time.sleep(0.8 * TIMEOUT_S)
    if opcode == EVENTS:
        entry = answer["events"][0] if answer["events"] else honest()[EVENTS]["events"][0]
        answer["events"] = [{**entry, "sequence": request["first"] + n + 1} for n in range(4)]
        answer["next"] = request["first"] + 5
    elif opcode in LISTS:
        group, total = LISTS[opcode]
        answer.update({total: 60_000, group: honest()[opcode][group][:2]})


@pytest.mark.req("HOST-25", part="every answer late, every list without end")
@pytest.mark.parametrize("command", READING)
def test_pages_that_come_late_for_ever(command: str):
    pump = HostilePump(_endless)
    with plugged(pump) as url:
        code, err, took_s = said(command, url)
    if not command.startswith("status"):  # which asks for no list
        assert code == 1
        assert "answers late again and again" in err or "breaks the protocol" in err, err
    assert pump.asked < 400  # of 20,000 records; a busy computer lets patience recover between them
    assert not SOAK or took_s < MOST_S


@contextlib.contextmanager
def dripping(what: bytes, every_s: float) -> Iterator[str]:
    """A pty on which these bytes come one at a time, over and over."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    over = threading.Event()

    def drip() -> None:
        at = 0
        while not over.wait(every_s):
            with contextlib.suppress(BlockingIOError):
                os.read(master, 4096)
                os.write(master, what[at % len(what) :][:1])
                at += 1

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        over.set()
        thread.join()
        os.close(master)
        os.close(slave)


@pytest.mark.req("HOST-25", part="one byte at a time, for ever")
@pytest.mark.parametrize("what", [b"x", b"\0", b">>> ", b"\x02\x10\x01\x01\x01", b"\r\n"])
def test_a_byte_at_a_time(what: bytes):
    with dripping(what, 0.001 if not SOAK else 0.02) as port:
        code, err, took_s = said("status", port)
    assert code == 1
    assert err.count("\n") == 1
    assert port in err
    assert took_s < MOST_S


def test_pages_that_hold_next_to_nothing():
    def spoil(opcode: int, request: Answer, answer: Answer) -> None:
        if opcode == EVENTS:
            entry = honest()[EVENTS]["events"][0]
            answer.update(events=[{**entry, "sequence": request["first"] + 1}], next=request["first"] + 2)

    pump = HostilePump(spoil)
    with plugged(pump) as url, Client(Transport(url)) as client, pytest.raises(LinkError, match="fills its"):
        client.events()
    assert pump.asked < 120


def test_what_is_quick_and_what_is_idle_fills_patience_up_again(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    patience = Patience(10.0, 0.05)

    def answer(took_s: float) -> float:
        patience.begin()
        left_s = patience.left_s
        now[0] += took_s
        patience.waited(now[0] - took_s, 0.25)
        patience.end()
        return left_s

    assert answer(0.25) == 10
    assert answer(0.25) == pytest.approx(9.8)
    for _ in range(10_000):
        answer(0.05)
    assert answer(3600) == pytest.approx(9.6)  # the computer slept
    for _ in range(4):
        answer(0.01)
    assert answer(0.01) == pytest.approx(9.56)
    now[0] += 1
    assert answer(0.2) == pytest.approx(10)
