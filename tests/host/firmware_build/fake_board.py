"""A board to flash: MicroPython's unix port with a littlefs in memory, driven like mpremote does.

When `left` operations are over, the cable is pulled: every further one raises, until `left` is None again.
"""

import ast
import json
import subprocess
from pathlib import Path

from mpremote.transport import Transport, TransportError, TransportExecError

from thecal.firmware_build import install

_SERVER = """
import sys, json, io, vfs, os, gc
gc.disable()  # a file that a pulled cable left open would be closed by it, in the middle of a collection
class Ram:
    def __init__(self, blocks):
        self.n = blocks
        self.data = bytearray(b"\\xff" * (4096 * blocks))
    def readblocks(self, n, buf, off=0):
        buf[:] = self.data[n * 4096 + off : n * 4096 + off + len(buf)]
    def writeblocks(self, n, buf, off=0):
        self.data[n * 4096 + off : n * 4096 + off + len(buf)] = buf
    def ioctl(self, op, arg):
        return {4: self.n, 5: 4096, 6: 0}.get(op, 0)
ram = Ram(int(sys.argv[1]))
vfs.VfsLfs2.mkfs(ram, progsize=256)
fs = vfs.VfsLfs2(ram, progsize=256)
try:
    vfs.umount("/")
except OSError:
    pass
vfs.mount(fs, "/")
names = {}
while True:
    line = sys.stdin.readline()
    if not line:
        break
    out = []
    names["print"] = lambda *a: out.append(" ".join(str(x) for x in a))
    try:
        exec(json.loads(line), names)
        reply = {"out": "\\n".join(out)}
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        reply = {"error": text.getvalue()}
    sys.stdout.write(json.dumps(reply) + "\\n")
"""


class FakeBoard(Transport):
    """What `install.install` is given."""

    def __init__(self, micropython: Path, blocks: int = 352, about: tuple[object, ...] | None = None):
        self.process = subprocess.Popen(
            [micropython, "-X", "heapsize=512M", "-c", _SERVER, str(blocks)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.left: int | None = None
        self.about = about or ("micropython", (1, 28), 6, "Raspberry Pi Pico with RP2040")
        self.operations = 0

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def exec(self, command, data_consumer=None):
        text = command.decode() if isinstance(command, bytes) else command
        self.operations += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise TransportError("device disconnected")
        if text == install._ABOUT:
            free = int(self._ask('import os\nv=os.statvfs("/")\nprint(v[0]*v[3])'))
            return repr((*self.about, free)).encode()
        if text == install._RESET:
            return b""
        return self._ask(text).encode()

    def eval(self, expression, parse=True):
        text = self.exec(f"print(repr({expression}))").decode()
        return ast.literal_eval(text) if parse else text

    def _ask(self, text: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(text).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "MicroPython ended"
        reply = json.loads(line)
        if "error" in reply:
            raise TransportExecError(1, reply["error"])
        return reply["out"]
