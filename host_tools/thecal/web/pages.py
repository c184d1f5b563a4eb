"""Who has the page open, what each of them has been told, and which one may act.

One page acts at a time, the first that came, until another takes over or is the only one left. Whatever a
page asks for has a number of its own: asked for again, because the answer was lost, it is answered again and
not done again.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from thecal.errors import ThecalError
from thecal.web.samples import Samples
from thecal.web.view import Document

NAME = re.compile(r"[A-Za-z0-9_-]{8,64}")
_REMEMBERED = 256
_RETURNS_S = 3.0
Answer = Document


class Reader:
    """One open page."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.news = asyncio.Event()
        self.news.set()
        self._told: Document = {}
        self._rows = 0
        self._thinned = -1

    def changes(self, document: Document) -> Document:
        """What of the document this page has not been told."""
        samples: Samples = document.get("samples") or Samples()
        changed = {
            key: value
            for key, value in document.items()
            if key != "samples" and (key not in self._told or self._told[key] != value)
        }
        self._told |= changed
        if samples.thinned != self._thinned or len(samples.rows) < self._rows:
            changed["rows_anew"] = list(samples.rows)
        elif len(samples.rows) > self._rows:
            changed["rows_more"] = samples.rows[self._rows :]
        self._rows, self._thinned = len(samples.rows), samples.thinned
        return changed


class Pages:
    """All open pages. Everything here runs in the server's loop."""

    def __init__(self) -> None:
        self.readers: set[Reader] = set()
        self._document: Document = {}
        self._writer = ""
        self._answers: OrderedDict[tuple[str, str], asyncio.Future[Answer]] = OrderedDict()

    def publish(self, document: Document) -> None:
        """The newest of what there is to show."""
        self._document = document
        for reader in self.readers:
            reader.news.set()

    def news_for(self, reader: Reader) -> Document:
        """What this page has not been told."""
        shown = {**self._document, "acts": self._writer == reader.page, "pages": len(self.readers)}
        return reader.changes(shown)

    def come(self, reader: Reader) -> None:
        """A page was opened, or reloaded."""
        if not self._is_open(self._writer):
            self._writer = reader.page
        self.readers.add(reader)
        self._wake()

    def go(self, reader: Reader) -> None:
        """Its line has gone; it may come back, as one that is reloaded does."""
        self.readers.discard(reader)
        if reader.page == self._writer:
            asyncio.get_running_loop().call_later(_RETURNS_S, self._inherit)
        self._wake()

    def _is_open(self, page: str) -> bool:
        return any(reader.page == page for reader in self.readers)

    def _inherit(self) -> None:
        """Who acted has not come back: the page that is left, if it is the only one, acts."""
        left = {reader.page for reader in self.readers}
        if len(left) == 1:
            self._writer = left.pop()
            self._wake()

    def take_over(self, page: str) -> None:
        """This page acts from now on."""
        self._writer = page
        self._wake()

    def check_writer(self, page: str) -> None:
        """ThecalError: another page acts."""
        if page != self._writer:
            raise ThecalError("another page acts on this pump", 'press "Take over" first')

    async def once(self, page: str, number: str, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do it, unless it was done under this number: then what came of it."""
        key = (page, number)
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = asyncio.ensure_future(act())
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return await asyncio.shield(known)

    def _wake(self) -> None:
        for reader in self.readers:
            reader.news.set()


def name_of(value: Any, what: str) -> str:
    """The name of a page, or the number of what it asks for. ThecalError: it is none."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ThecalError(f"the page gave no {what}", "reload the page")
    return value
