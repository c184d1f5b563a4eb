"""The serial line: bytes through a pty, a peer that goes and comes, noise."""

import os
import select
import termios
import time
import tty

import pytest
import serial

from boards.unix.remote import SCRIPTS, Remote, remote_emulator
from thecal.emulator.emulator import Emulator

ECHO = SCRIPTS / "echo.py"
DEADLINE_S = 20.0


def read_exactly(port: int, size: int) -> bytes:
    data = b""
    deadline = time.monotonic() + DEADLINE_S
    while len(data) < size:
        ready, _, _ = select.select([port], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"only {len(data)} of {size} bytes came"
        data += os.read(port, size - len(data))
    return data


def exchange(port: int, data: bytes) -> bytes:
    os.write(port, data)
    return read_exactly(port, len(data))


@pytest.fixture
def echo():
    with Emulator(script=ECHO, seed=7) as emulator:
        port = os.open(emulator.port, os.O_RDWR | os.O_NOCTTY)
        yield emulator, port
        os.close(port)


def test_every_byte_value_comes_back(echo):
    """The line is raw: no echo, no newline translation, no control characters."""
    _, port = echo
    assert exchange(port, bytes(range(256))) == bytes(range(256))


def test_a_program_may_open_the_port_again_and_again(echo):
    emulator, _ = echo
    for turn in range(3):
        with serial.Serial(emulator.port, timeout=DEADLINE_S) as port:
            port.write(b"turn %d" % turn)
            assert port.read(6) == b"turn %d" % turn


def test_the_port_has_a_name_that_stays(tmp_path):
    link = tmp_path / "pump"
    link.symlink_to("/dev/pts/gone")  # left over from a pump that was killed
    with Emulator(script=ECHO, link=link) as emulator:
        assert link.readlink().as_posix() == emulator.port
        with serial.Serial(str(link), timeout=DEADLINE_S) as port:
            port.write(b"hello")
            assert port.read(5) == b"hello"
    assert not link.is_symlink()


def test_writing_when_nobody_reads_neither_blocks_nor_kills():
    with remote_emulator() as emulator, Remote(emulator) as board:
        board.send("flood", writes=200)
        assert board.bench.now() == 0
        assert board.bench.truth().dropped_bytes > 0
        termios.tcflush(board._port, termios.TCIFLUSH)
        assert board.ask("about")


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_pump_whose_peer_is_gone_for_good_goes_on(clock):
    """The pump on the slave of a pty whose master is closed: a cable pulled for ever."""
    master, slave = os.openpty()
    tty.setraw(slave)
    attributes = termios.tcgetattr(slave)
    attributes[6][termios.VMIN] = attributes[6][termios.VTIME] = 0
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    settings = {"serial": os.ttyname(slave)}
    with Emulator(script=ECHO, clock=clock, settings=settings) as emulator:
        os.close(slave)
        assert exchange(master, b"still here") == b"still here"
        os.write(master, b"last words")
        os.close(master)
        for _ in range(3):
            emulator.bench.advance_by(10_000)
        waits = emulator.bench.truth().waits
        emulator.bench.advance_by(1_000)
        assert emulator.bench.truth().waits <= waits + 5  # it does not spin


def test_noise_flips_bits_both_ways_and_repeatably():
    sent = bytes(range(256)) * 8
    heard = []
    for _ in range(2):
        with Emulator(script=ECHO, seed=7) as emulator:
            port = os.open(emulator.port, os.O_RDWR | os.O_NOCTTY)
            emulator.bench.link_noise(200)
            back = b"".join(exchange(port, sent[i : i + 16]) for i in range(0, len(sent), 16))
            flipped = emulator.bench.truth().flipped_bits
            emulator.bench.link_noise(0)
            assert exchange(port, sent[:256]) == sent[:256]
            os.close(port)
        heard.append(back)
        seen = sum((a ^ b).bit_count() for a, b in zip(sent, back, strict=True))
        assert 100 < flipped < 250  # 164 expected of 2 x 2048 bytes
        assert flipped - 10 <= seen <= flipped
    assert heard[0] == heard[1]
