"""An emulated pump that is booted thousands of times in one process (boards/unix/testbench/multi_boot.py).

A boot takes 6 ms instead of 60: what makes 10^5 power cuts a matter of minutes. One a worker process,
replaced after some hundred lives, as what the dead leave behind fills the memory.
"""

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from thecal._io import paths
from thecal.emulator.bench import PumpBench
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PowerCut
from thecal.errors import SimulationError

_MOST_LIVES = 40
_BOOT_S = 20.0


class MultiBoot(Emulator):
    """As `Emulator`, but that `restart` makes a new life and not a new process."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def begin(self, flash: Path, settings: Mapping[str, int | str]) -> None:
        """The first life on this flash; what was set for others does not count."""
        self._flash = flash
        manifest = self._settings.get("manifest", "")
        self._settings = {"clock": "virtual", "manifest": manifest, "provisioned": 1, **settings}
        if self._count >= _MOST_LIVES:
            self.close()
        if self.port:
            self.restart()
        else:
            self.start()

    def kill(self) -> None:
        """End this life at once; the process stays for the next one."""
        with contextlib.suppress(PowerCut):
            self.bench.inject_raw("power_cut")
            raise self.bench.how_it_ended()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        super().close()
        self.port = ""
        self._count = 0

    def _boot(self) -> None:
        if self._process is None:
            self._spawn()
        process = self.process
        if process.stdin is None:
            raise ValueError("the process has no pipes")
        flash = self._flash or self._folder / "flash"
        settings = {"serial": f"fd:{self._master}", "flash": str(flash.absolute()), **self._settings}
        self._count += 1
        self._bench = PumpBench(self, process, self._last_words)
        line = json.dumps([f"{name}={value}" for name, value in settings.items()])
        os.write(process.stdin.fileno(), line.encode() + b"\n")
        self._bench.now(_BOOT_S)

    def _spawn(self) -> None:
        self._last_words = (self._folder / "stderr").open("w+b")
        self._process = subprocess.Popen(
            [
                *paths.micropython(),
                "-X",
                f"heapsize={self._firmware.board.heap.multi_boot}",
                str(self._firmware.multi_boot),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._last_words,
            env={**os.environ, "MICROPYPATH": self._firmware.micropython_path},
            pass_fds=[self._master],
            process_group=0,
        )

    def _stop(self) -> None:
        """End this life; the process when it has ended itself."""
        bench = self._bench
        if self._process is None or bench is None:
            return
        if self._process.poll() is None:
            try:
                bench.quit()
                bench.how_it_ended()
            except SimulationError:
                pass
        if self._process.poll() is not None:
            super()._stop()


@functools.cache
def shared() -> MultiBoot:
    """The one of this process."""
    return MultiBoot()
