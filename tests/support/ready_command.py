"""`thecal` as a process of its own whose modules are loaded already: the tests start hundreds of commands.

`run_command(*arguments, ...)` is `subprocess.run` of the installed command with captured text, less the start
of Python and its imports: a helper that has imported thecal is forked for each. The process has its own file
descriptors, environment, folder, signals and exit code, but no terminal: what is about terminals, Ctrl-C or
the start itself runs the installed file instead. Run as a file, this is the helper.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What draws, and the windows of a terminal: few commands want them, and a large helper forks slowly.
HEAVY = {
    "thecal.simulation.demo",
    "thecal.monitor.app",
    "thecal.simulation.plot_style",
    "thecal.simulation.plots",
    "thecal.report.figures",
    "thecal.report.html",
    "thecal.report.pdf",
}


def run_command(
    *arguments: object,
    input: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 40,
    check: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Run `thecal` to its end; what it said and its exit code (minus the signal that killed it).

    Raises:
        subprocess.TimeoutExpired: it was killed after `timeout` seconds.
        subprocess.CalledProcessError: `check` is set and it failed.
    """
    words = ["thecal", *map(str, arguments)]
    environment = {**(os.environ if env is None else env)}
    if _of_python(environment) != _of_python(_STARTED_IN):  # what a Python heeds only when it starts
        command = [str(Path(sys.executable).with_name("thecal")), *words[1:]]
        return subprocess.run(
            command,
            input=input,
            env=environment,
            cwd=cwd,
            timeout=timeout,
            check=check,
            capture_output=True,
            text=True,
        )
    told = {"arguments": words[1:], "env": environment, "cwd": str(cwd or Path.cwd())}
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        socket.socket(socket.AF_UNIX) as link,
    ):
        stdin.write(input.encode())
        stdin.seek(0)
        link.connect(_helper())
        socket.send_fds(link, [b"."], [stdin.fileno(), out.fileno(), err.fileno()])
        link.sendall(json.dumps(told).encode())
        link.shutdown(socket.SHUT_WR)
        answers = link.makefile()
        pid = int(answers.readline())
        link.settimeout(timeout)
        try:
            code = int(answers.readline())
        except TimeoutError:
            os.kill(pid, 9)
            raise subprocess.TimeoutExpired(words, timeout) from None
        out.seek(0)
        err.seek(0)
        texts = [part.read().decode().replace("\r\n", "\n") for part in (out, err)]
    if check and code:
        raise subprocess.CalledProcessError(code, words, *texts)
    return subprocess.CompletedProcess(words, code, *texts)


_address: list[str] = []
_STARTED_IN = dict(os.environ)


def _of_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Of an environment, what decides on encodings and the like."""
    return {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}


def _helper() -> str:
    """Where the helper listens; it is started when first asked for and ends with this process."""
    if not _address:
        folder = tempfile.mkdtemp(prefix="thecal-ready-", dir="/tmp")
        path = f"{folder}/socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(8)
        ends, ours = os.pipe()  # the helper sees the end of this process as the end of this pipe
        helper = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno()), str(ends)],
            pass_fds=[listener.fileno(), ends],
            stdin=subprocess.DEVNULL,
            env=_STARTED_IN,
        )
        listener.close()
        os.close(ends)
        _address.append(path)

        def end() -> None:
            os.close(ours)
            helper.wait()
            Path(path).unlink()
            Path(folder).rmdir()

        atexit.register(end)
    return _address[0]


def _serve(listener: socket.socket, ends: int) -> None:
    """Fork for each that connects, until the process that started the helper is gone."""
    import thecal

    for module in pkgutil.walk_packages(thecal.__path__, "thecal."):
        if module.name not in HEAVY:
            importlib.import_module(module.name)
    atexit._clear()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those between
    while True:
        ready, _, _ = select.select([listener, ends], [], [])
        if ends in ready:
            return
        link, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            os.close(ends)
            return _between(link)
        link.close()


def _between(link: socket.socket) -> None:
    """Start one command and tell how it ended."""
    _, fds, _, _ = socket.recv_fds(link, 1, 3)
    told = json.loads(link.makefile().read())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        link.close()
        return _command(fds, told)
    link.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # killed because it took too long: nobody asks any more
        link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _command(fds: list[int], told: Any) -> None:
    """Become the command."""
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace")
    os.environ.clear()
    os.environ.update(told["env"])
    os.chdir(told["cwd"])
    tempfile.tempdir = None
    sys.argv = ["thecal", *told["arguments"]]
    from thecal.cli import main

    try:
        code = main()
    except SystemExit as end:
        code = end.code
    finally:
        threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]  # what the end of Python does, less the taking apart of every module
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _fds = [int(word) for word in sys.argv[1:]]
    for _fd in _fds:
        os.set_inheritable(_fd, False)
    _serve(socket.socket(fileno=_fds[0]), _fds[1])
