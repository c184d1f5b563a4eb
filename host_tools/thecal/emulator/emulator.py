"""An emulated pump: the real firmware on MicroPython's unix port, its serial line a pty, its bench at hand.

    with Emulator(seed=1) as pump:
        with Transport(pump.port) as line: ...       # or any program that opens a serial port
        pump.bench.advance("1 h")                    # one hour passes

The pump holds the master side of the pty, so `port` (the slave) opens like any serial device, again and
again. The pump process ends when this object is closed or when this process dies, however that happens.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
import termios
import tty
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from thecal._io import paths
from thecal._io.arguments import checked
from thecal.emulator import claims
from thecal.emulator.bench import RESET_TAKES_US, PumpBench
from thecal.emulator.testbench import PumpReset
from thecal.errors import SimulationError, WrongArgument
from thecal.firmware_build import compiled
from thecal.link import key_lookup, pairing, transport
from thecal.link.responses.pump import Hello
from thecal.link.session import Session
from thecal_protocol.roles import CLINICIAN
from thecal_protocol.secure import KEY_SIZE

_KEYS_AT = 8  # in the document `link-keys` (docs/explanation/storage.md)
_BOOT_S = 20.0
_END_S = 3.0

ClockKind = Literal["virtual", "free", "real", "scaled"]


@checked
class Emulator:
    """One emulated pump. `port`: what to open to talk to it. `bench`: time, truth and faults.

    Args:
        clock: "virtual": time stands still unless the bench lets it pass; "free": it jumps ahead by
            itself; "real"; "scaled": `speed` times as fast as real.
        speed: of a scaled clock.
        seed: makes the pump's random numbers repeatable.
        flash: file that holds the pump's flash, made when it is not there; None: the memory lasts as
            long as this object.
        link: a name for the port that stays the same (a symbolic link), there as soon as the pump is
            ready.
        settings: more settings of the board (docs/reference/boards-unix.md), such as ticks_start or
            fill_pl (pL).
        script: what to boot instead of the firmware, for tests of the board itself.
        source: boot the text of the firmware and not what was compiled beforehand (`compiled`).
        manifest: write one of the firmware's files for the pump to check itself by.
        paired: keys of every role are there for this process: those on the flash, others are agreed on.
        provisioned: if `paired`, a new flash has them from its first boot on, as from a factory.
        heap: of MicroPython, as its -X heapsize: "512k"; "": its own.
        serial_number: of a new flash; one that holds another pump is refused. "": one is made up, from
            the seed where there is one.

    Raises:
        SimulationError: thecal's own files are not there; from `start`: the pump does not boot.
    """

    def __init__(
        self,
        *,
        clock: ClockKind = "virtual",
        speed: int = 1,
        seed: int | None = None,
        flash: Path | None = None,
        link: Path | None = None,
        settings: Mapping[str, int | str] | None = None,
        script: Path | None = None,
        source: bool = False,
        manifest: bool = False,
        paired: bool = True,
        provisioned: bool = True,
        heap: str = "",
        serial_number: str = "",
    ) -> None:
        self._settings: dict[str, int | str] = {"clock": clock, "speed": speed, **(settings or {})}
        if paired and provisioned and script is None:
            self._settings.setdefault("provisioned", 1)
        if serial_number:
            self._settings["number_of_flash"] = serial_number
        self._serial_number = ""
        if seed is not None:
            self._settings["seed"] = seed
        self._flash = None if flash is None else Path(flash)
        self._link = None if link is None else Path(link)
        paths.project_root()  # missing: say so at once
        self._script = None if script is None else Path(script)
        self._source = source
        self._heap = heap
        self._manifest = manifest
        self._paired = paired
        self._last_keys: dict[int, bytes] = {}
        self._inherited: list[int] = []  # descriptors that the pump's process holds, too
        self._closing = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._bench: PumpBench | None = None
        self._master = self._slave = -1
        self.port = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bench(self) -> PumpBench:
        """The bench of the running pump, the same one over all its lives.

        Raises:
            SimulationError: no pump runs.
        """
        if self._bench is None or self._process is None:
            raise SimulationError("the emulated pump is not running")
        return self._bench

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The pump's process."""
        if self._process is None:
            raise SimulationError("the emulated pump is not running")
        return self._process

    @property
    def clock(self) -> str:
        """Which one this pump goes by."""
        return str(self._settings["clock"])

    @property
    def stands_still(self) -> bool:
        """Does this pump's time pass only when its bench lets it?"""
        return self.clock == "virtual"

    def start(self) -> None:
        """Make the port and boot the pump; returns when it has booted.

        Raises:
            SimulationError: the pump does not boot, or its flash holds another one.
        """
        try:
            self._folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="thecal-")))
            self._firmware = self._closing.enter_context(compiled.firmware(source=self._source))
            self._open_pty()
            if self._manifest:
                manifest = self._folder / "manifest"
                manifest.write_text(self._firmware.manifest(), encoding="utf-8")
                self._settings["manifest"] = str(manifest)
            if self._flash is not None:
                self._claim(self._flash)
            link = self._claimed_link()
            self._boot()
            if link is not None:
                link.show(self.port)
        except BaseException:
            self.close()
            raise

    def restart(self, settings: Mapping[str, int | str] | None = None, *, world: object = None) -> None:
        """Boot the pump again, on the same flash and the same port, as after a power cut or `kill`.

        Bytes on their way over the line are lost. `settings` replace those of the last boot. `world`: what
        `Bench.power_cut` returned: the reservoir, the battery, the mark and the trace go on from there.
        """
        try:
            left = None if world is None else json.dumps(world)
        except (TypeError, ValueError):
            raise WrongArgument("world is nothing that a bench returned", "give what power_cut did") from None
        self._stop()
        self._settings.update(settings or {})
        self._settings.pop("world", None)
        if left is not None:
            file = self._folder / "world.json"
            file.write_text(left, encoding="utf-8")
            self._settings["world"] = str(file)
        termios.tcflush(self._slave, termios.TCIOFLUSH)
        self._boot()

    def restart_after(
        self, reset: PumpReset, *, memory_lost: bool = False, takes_us: int = RESET_TAKES_US
    ) -> None:
        """Boot the pump again after a reset, as the chip does by itself, `takes_us` later.

        `memory_lost`: what outlives a reset (the count of steps, the latch word) did not, this time.
        """
        kept = (
            {"survived": -1, "latch": 0}
            if memory_lost
            else {"survived": reset.executed, "latch": reset.latch}
        )
        start_us = reset.now_us + takes_us
        before = dict(self._settings)
        self.restart({"reset_cause": 3, "start_us": start_us, **kept}, world=reset.world)
        self._settings = {**before, "start_us": start_us}  # another restart is a power cut's again

    @property
    def serial_number(self) -> str:
        """The pump's, as it says at hello."""
        return self._serial_number

    def key(self, role: int) -> bytes | None:
        """The key that the pump has for a role (thecal_protocol.roles), read from its flash, or as last
        known where the flash cannot be read any more; None: there is none.
        """
        try:
            document = self.bench.document("link-keys") or b""
        except SimulationError:
            return self._last_keys.get(role)
        key = document[_KEYS_AT + (role - 1) * KEY_SIZE :][:KEY_SIZE]
        if not any(key):
            return None
        self._last_keys[role] = key
        return key

    def _find_key(self, session: Session, hello: Hello, role: int) -> bytes:
        """For `keyring`: the key on the pump's flash; where there is none, press the button and pair."""
        key = self.key(role)
        if key is not None:
            return key

        def free() -> None:
            """What the session that is open waits for must not take this press: another one ends it."""
            clinician = self.key(CLINICIAN)
            if clinician is not None:
                session.open(session.greet(), CLINICIAN, clinician)

        if role != CLINICIAN and self.key(CLINICIAN) is None:
            session.open(hello, CLINICIAN, self._find_key(session, hello, CLINICIAN))
            hello = session.greet()
        seed = self._settings.get("seed", -1)
        scalar = None if seed == -1 else hashlib.sha256(f"emulator {seed} {role}".encode()).digest()
        return pairing.agree(session, hello, role, self.bench.press_button, busy=free, scalar=scalar)

    def _silent(self) -> bool:
        """For `transport`: no answer will come any more. The process is gone, or stands still at its instant
        with nothing left to read or to be read. False also while somebody else talks to the bench."""
        if self._process is None or self._process.poll() is not None:
            return True
        if not self.stands_still or self._bench is None:
            return False
        if not self._bench.stands_still():
            return False
        return _waiting(self._master) == _waiting(self._slave) == 0

    def kill(self) -> None:
        """End the pump process at once, without a word."""
        self.process.kill()
        self.process.wait(_END_S)

    def close(self) -> None:
        """End the pump and give everything back. Harmless when it has ended."""
        self._stop()
        self._bench = None
        self._closing.close()
        self._master = self._slave = -1

    def _open_pty(self) -> None:
        self._master, self._slave = os.openpty()
        self._closing.callback(os.close, self._master)
        self._closing.callback(os.close, self._slave)
        tty.setraw(self._slave)
        attributes = termios.tcgetattr(self._slave)
        attributes[6][termios.VMIN] = 0
        attributes[6][termios.VTIME] = 0
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)
        os.set_blocking(self._master, False)  # the pump's descriptor is this one: it must never block
        self.port = os.ttyname(self._slave)
        transport.provide_probe(self.port, self._silent)
        self._closing.callback(transport.withdraw_probe, self.port)
        if self._paired:
            key_lookup.provide(self.port, self._find_key)
            self._closing.callback(key_lookup.withdraw, self.port)

    def _claim(self, flash: Path) -> None:
        if flash.exists() and not flash.is_file():
            raise SimulationError(f"{flash} is no file that could hold a pump's flash", "name another file")
        descriptor = claims.claim_flash(flash)
        self._inherited.append(descriptor)
        self._closing.callback(claims.give_back_flash, flash, descriptor)

    def _claimed_link(self) -> claims.PortLink | None:
        if self._link is None:
            return None
        link = claims.PortLink(self._link)
        self._closing.callback(link.close)
        return link

    def _boot(self) -> None:
        flash = self._flash or self._folder / "flash"
        settings = {"serial": f"fd:{self._master}", "flash": str(flash.absolute()), **self._settings}
        script = self._script or self._firmware.main
        enough = self._firmware.board.heap
        heap = self._heap or (enough.text if self._firmware.is_text else enough.compiled)
        command = [*paths.micropython(), "-X", f"heapsize={heap}", str(script)]
        command += [f"{name}={value}" for name, value in settings.items()]
        last_words = (self._folder / "stderr").open("w+b")
        with contextlib.ExitStack() as undo:
            undo.callback(last_words.close)
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=last_words,
                env={**os.environ, "MICROPYPATH": self._firmware.micropython_path},
                pass_fds=[self._master, *self._inherited],
                process_group=0,  # Ctrl-C is ours to handle; the pump ends when its stdin closes
            )
            undo.pop_all()
        self._last_words = last_words
        if self._bench is None:
            self._bench = PumpBench(self, self._process, last_words)
        else:
            self._bench.attach(self._process, last_words)
        self._serial_number = self._bench.serial_number(_BOOT_S)

    def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None and self._bench is not None:
            with contextlib.suppress(SimulationError):
                self._bench.quit(_END_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._last_words.close()
        self._process = None


def _waiting(descriptor: int) -> int:
    """Bytes that could be read from there at once."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
