"""The page's server (tornado): a few fixed files, one stream of news a page, one address for what it asks.

GET  /TOKEN/            the page
GET  /TOKEN/NAME        its parts
GET  /TOKEN/news        what changed, as it changes (server-sent events), at least twice a second
GET  /TOKEN/run.zip     what was done, as files that `thecal simulate` takes
POST /TOKEN/act         {"page", "version", "id", "do", ...}; the answer says what came of it, in words
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, cast

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from thecal import __version__
from thecal._io.shown import shown
from thecal.errors import ThecalError, TherapyError
from thecal.web.desk import Desk
from thecal.web.forms import forms
from thecal.web.guard import ADDRESS, HEADERS, Guard, NotOurs
from thecal.web.opening import MOST_BYTES, examples
from thecal.web.pages import Pages, Reader, name_of
from thecal.web.view import Document

HEARTBEAT_S = 0.5
_MOST_PAGES = 16
_MOST_REQUEST_BYTES = 2 * MOST_BYTES  # files come as base64
_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_PAGE = "page.html"
_VERSION = b"{version}"


class Server:
    """One page server on this computer's own address. `port` 0: any that is free.

    Raises:
        ThecalError: the port is in use.
    """

    def __init__(self, port: int) -> None:
        try:
            sockets = bind_sockets(port, ADDRESS, reuse_port=False)
        except OSError as error:
            raise ThecalError(
                f"the page cannot be served at port {port}: {(error.strerror or str(error)).lower()}",
                "choose another one, or --listen 0 for any that is free",
            ) from None
        self.guard = Guard(sockets[0].getsockname()[1])
        self.pages = Pages()
        loop = asyncio.get_running_loop()

        def publish(document: Document) -> None:
            loop.call_soon_threadsafe(self.pages.publish, document)

        self.desk = Desk(publish)
        given: dict[str, Any] = {"server": self}
        application = Application(
            [
                (r"/([^/]*)/news", _News, given),
                (r"/([^/]*)/act", _Act, given),
                (r"/([^/]*)/run\.zip", _Saved, given),
                (r"/([^/]*)/([a-zA-Z.-]*)", _File, given),
            ],
            default_handler_class=_Nothing,
            default_handler_args=given,
            log_function=_no_log,
            compress_response=False,
        )
        self._http = HTTPServer(application, max_buffer_size=_MOST_REQUEST_BYTES, idle_connection_timeout=60)
        self._http.add_sockets(sockets)
        self.closing = False

    @property
    def address(self) -> str:
        """What to open in a browser: whoever knows it may act."""
        return self.guard.address

    async def close(self) -> None:
        """The pump ends, the pages are told."""
        self.closing = True
        for reader in self.pages.readers:
            reader.news.set()
        self._http.stop()
        await asyncio.get_running_loop().run_in_executor(None, self.desk.close)
        await self._http.close_all_connections()


def _no_log(handler: RequestHandler) -> None:
    """Addresses have the token in them: nothing is written down."""


@cache
def _files() -> dict[str, tuple[str, bytes]]:
    """Type and content of every file of the page."""
    found = {
        path.name: (_TYPES[path.suffix], path.read_bytes())
        for path in _STATIC.iterdir()
        if path.suffix in _TYPES
    }
    kind, page = found.pop(_PAGE)
    return {**found, "": (kind, page.replace(_VERSION, version().encode()))}


@cache
def version() -> str:
    """Of the page and of what it talks to: a page of another one is told to reload."""
    digest = hashlib.sha256()
    for path in sorted(_STATIC.iterdir()):
        digest.update(path.read_bytes())
    return f"{__version__}-{digest.hexdigest()[:12]}"


class _Handler(RequestHandler):
    """What every answer has, and who may ask at all."""

    def initialize(self, server: Server) -> None:
        self.server = server

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        headers = self.request.headers
        try:
            self.server.guard.check_host(headers)
            self.server.guard.check_token(self.path_args[0] if self.path_args else "")
            if self.request.method not in ("GET", "HEAD"):
                self.server.guard.check_write(headers)
        except NotOurs as error:
            self._refuse(error)

    def _refuse(self, error: ThecalError, status: int = 403) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.say(f"{error.message}. {error.hint[:1].upper()}{error.hint[1:]}.\n")

    def say(self, content: str | bytes) -> None:
        """The whole answer."""
        cast(Any, self).finish(content)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A line, never a traceback."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.say(f"There is nothing here for that ({status_code}). Reload the page.\n")


class _Nothing(_Handler):
    def get(self) -> None:
        self._refuse(NotOurs("there is nothing here", "open the address that thecal web printed"), 404)


class _File(_Handler):
    def get(self, token: str, name: str) -> None:
        found = _files().get(name)
        if name == "about.json":
            found = (_TYPES[".json"], _about())
        if found is None:
            self._refuse(NotOurs("there is nothing here", "open the address that thecal web printed"), 404)
            return
        self.set_header("Content-Type", found[0])
        self.say(found[1])


@cache
def _about() -> bytes:
    """What the page builds its forms of."""
    return json.dumps({"examples": list(examples()), "forms": forms()}).encode()


class _News(_Handler):
    async def get(self, token: str) -> None:
        pages = self.server.pages
        try:
            reader = Reader(name_of(self.get_query_argument("page", ""), "name"))
        except ThecalError as error:
            self._refuse(error, 400)
            return
        if len(pages.readers) >= _MOST_PAGES:
            self._refuse(ThecalError(f"{_MOST_PAGES} pages are open already", "close one of them"), 503)
            return
        self.set_header("Content-Type", "text/event-stream")
        if self.get_query_argument("version", "") != version():
            await self._send({"reload": True})
            return
        pages.come(reader)
        try:
            while not self.server.closing:
                reader.news.clear()
                await self._send(pages.news_for(reader))
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await reader.news.wait()
                except TimeoutError:
                    pass
            await self._send({"over": True})
        except StreamClosedError:
            pass
        finally:
            pages.go(reader)

    async def _send(self, news: Document) -> None:
        """Returns when the line has taken it: a slow one gets less often what is newest."""
        cast(Any, self).write(f"data: {json.dumps(news, separators=(',', ':'))}\n\n")
        await self.flush()


class _Saved(_Handler):
    async def get(self, token: str) -> None:
        try:
            answer = await asyncio.wrap_future(self.server.desk.ask("saved", {}))
        except ThecalError as error:
            self._refuse(error, 404)
            return
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", 'attachment; filename="thecal-run.zip"')
        self.say(zipped(cast("dict[str, str]", answer["files"])))


class _Act(_Handler):
    async def post(self, token: str) -> None:
        try:
            answer = await self._answer()
        except ThecalError as error:
            answer = _refusal(error)
        self.set_header("Content-Type", "application/json")
        self.say(json.dumps(answer))

    async def _answer(self) -> Document:
        asked = _asked(self.request.body)
        if asked.get("version") != version():
            return {
                **_refusal(ThecalError("this page is of another version of thecal", "reload it")),
                "reload": True,
            }
        page, number = name_of(asked.get("page"), "name"), name_of(asked.get("id"), "number")
        return await self.server.pages.once(page, number, lambda: self._act(page, asked))

    async def _act(self, page: str, asked: Document) -> Document:
        """What came of it, also where that was nothing."""
        pages, what = self.server.pages, str(asked.get("do", ""))
        try:
            if what == "take_over":
                pages.take_over(page)
                return {"ok": True, "said": "this page acts now"}
            pages.check_writer(page)
            values = {**asked, "files": _files_of(asked.get("files", []))}
            return {"ok": True, **await asyncio.wrap_future(self.server.desk.ask(what, values))}
        except ThecalError as error:
            return _refusal(error)


def _asked(body: bytes) -> Document:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ThecalError("the page asked in no way that is known", "reload it")
    return cast("Document", document)


def _files_of(value: object) -> dict[str, bytes]:
    """The files that a page sent, by name."""
    wrong = ThecalError("a file did not come through", "open it again")
    if not isinstance(value, list):
        raise wrong
    found: dict[str, bytes] = {}
    for entry in cast("list[object]", value):
        if not isinstance(entry, dict):
            raise wrong
        file = cast("dict[str, object]", entry)
        name, data = file.get("name"), file.get("base64")
        if not isinstance(name, str) or not isinstance(data, str) or name in found:
            raise wrong
        try:
            found[name] = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise wrong from None
    return found


def _refusal(error: ThecalError) -> Document:
    """What was wrong, in words; `fields`: which one of the form's."""
    fields = (
        {field: shown(message) for field, message in error.problems}
        if isinstance(error, TherapyError)
        else {}
    )
    return {"ok": False, "error": shown(error.message), "hint": shown(error.hint), "fields": fields}


def zipped(files: dict[str, str]) -> bytes:
    """An archive of these texts."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()
