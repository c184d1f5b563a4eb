"""What the guard must remember over a reset: the first fatal fault (INT-08) and when the battery neared
its end.

Twice: in the board's word, which outlives a watchdog bite, and in a document, which outlives the power. The
first reason stays until it is cleared.

Allocates: only when there is something new to keep.
"""

from pump.records.documents import Document, DocumentError
from pump.safety.alarms import NEVER_S
from thecal_protocol import codec
from thecal_protocol import events as event

_NAME = "guard"
_RECORD = (("fault", "u8"), ("detail", "u32"), ("eri_s", "u32"))
_DETAIL_BITS = 22  # of the word; 8 for the number


class Latch:
    """`number` and `detail` of the first fatal fault; 0: none."""

    def __init__(self, board, log):
        self._latch = board.latch
        self._document = Document(board.store, _NAME)
        self._log = log
        self.number = 0
        self.detail = 0
        self.eri_s = NEVER_S
        self.kept = True  # is it on flash as it stands?

    def load(self) -> int:
        """At boot; when ERI came."""
        try:
            data = self._document.read(1, 0)
            record = codec.decode(_RECORD, data, 0, len(data))
            self.number = record["fault"]
            self.detail = record["detail"]
            self.eri_s = record["eri_s"]
        except (DocumentError, codec.WireError):
            self.eri_s = NEVER_S  # never written, or not to be read
        word = self._latch.get()
        if word and not self.number:
            self.number = word >> _DETAIL_BITS
            self.detail = word & (1 << _DETAIL_BITS) - 1
        return self.eri_s

    def put(self, number: int, detail: int) -> None:
        """A fatal fault: the first one latches, later ones do not overwrite it."""
        if self.number:
            return
        self.number = number
        self.detail = detail
        self._latch.put(number << _DETAIL_BITS | detail & (1 << _DETAIL_BITS) - 1)
        self._log.note(event.FAULT_LATCHED, number, 0, detail, 0)
        self._write()

    def clear(self) -> None:
        self.number = 0
        self.detail = 0
        self._latch.put(0)
        self._write()

    def keep_eri(self, eri_s: int) -> None:
        if eri_s != self.eri_s:
            self.eri_s = eri_s
            self._write()

    def _write(self) -> None:
        """Without flash the board's word still holds."""
        record = {"fault": self.number, "detail": self.detail, "eri_s": self.eri_s}
        try:
            self._document.write(1, codec.encoded(_RECORD, record))
            self.kept = True
        except OSError:
            self.kept = False
