"""`thecal web`: serve the page until a signal ends it."""

from __future__ import annotations

import asyncio
import tempfile
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thecal._io import atomic_write, interruption
from thecal.errors import ThecalError
from thecal.web.server import Server

_LEADS_THERE = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">
<title>thecal</title><p><a href="{address}">thecal's page</a></p>
"""


@dataclass(frozen=True)
class Wanted:
    """How the page is to be served. `therapy`, `events`: what runs on it from the start; its time stands."""

    listen: int = 0
    therapy: Path | None = None
    events: Path | None = None
    seed: int | None = None
    browser: bool = False  # open it


def serve(tell: Callable[[str], None], note: Callable[[str], None], wanted: Wanted) -> None:
    """`tell` is told the address as soon as the page answers there. Returns when a signal ends it.

    Raises:
        ThecalError: the port is in use, or what is to run cannot.
    """
    files = _files_of(wanted)
    asyncio.run(_serve(tell, note, wanted, files))


async def _serve(
    tell: Callable[[str], None], note: Callable[[str], None], wanted: Wanted, files: dict[str, bytes]
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in interruption.heeded():
        loop.add_signal_handler(number, ended.set)
    server = Server(wanted.listen)
    server.desk.start()
    try:
        if files:
            values = {"files": files, "seed": "" if wanted.seed is None else wanted.seed}
            await asyncio.wrap_future(server.desk.ask("start", values))
        tell(server.address)
        with tempfile.TemporaryDirectory(prefix="thecal-web-") as folder:
            if wanted.browser and not _opened(Path(folder) / "page.html", server.address):
                note("No browser could be opened. Open the address above in one on this computer.")
            await ended.wait()
    finally:
        await server.close()


def _files_of(wanted: Wanted) -> dict[str, bytes]:
    """What is to run, read as a browser would send it; the events file with what it names beside it."""
    files: dict[str, bytes] = {}
    for path in (wanted.therapy, wanted.events):
        if path is None:
            continue
        try:
            files[path.name] = path.read_bytes()
        except OSError as error:
            raise ThecalError(
                f"{path} cannot be read: {(error.strerror or '').lower()}", "name another file"
            ) from None
    if wanted.events is not None:
        for path in sorted(wanted.events.parent.glob("*.toml")):
            if path.name.encode() in files[wanted.events.name]:
                files.setdefault(path.name, path.read_bytes())
    return files


def _opened(file: Path, address: str) -> bool:
    """Whether a browser took it. By way of a file of this user's: what stands on a command line everybody on
    this computer can read, and in the address is the token."""
    atomic_write.write(file, _LEADS_THERE.format(address=address))
    try:
        return webbrowser.open(file.as_uri())
    except webbrowser.Error:
        return False
