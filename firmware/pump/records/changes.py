"""What a program changes, onto the log: one record for each field that is not as it was before (REC-09).

The bytes of both programs are gone through side by side, field by field of the wire's table, so nothing is
decoded whole. A record holds the field's number (`thecal_protocol.events.PROGRAM_FIELDS`), which entry of a
group it is of, the old and the new value, 0 where there is none. A step of a flex schedule is one value, a
name comes in pieces of seven bytes. So the largest program makes less than 300 records; they are brought to
flash a few at a time, and the motor is fed in between.

The chip holds this on flash until it is needed. Allocates: commands only.
"""

from thecal_protocol import codec, messages
from thecal_protocol import events as event

AT_ONCE = 24  # records that wait at most: fewer than a queue takes
PIECE = 7
_PIECES = 8  # of a name, at most
_MOST = (1 << 56) - 1
_TOP = 56
_LAST = 1


class Changes:
    """The changes of one commit. A record is noted when the next is known, so that the last can say so."""

    def __init__(self, log, ref: int, write_due, breathe):
        """`write_due`: brings to flash what waits; `breathe`: called often, as all of it takes long."""
        self._log = log
        self._ref = ref
        self._write_due = write_due
        self._breathe = breathe
        self._held = None
        self._numbers = {known: number for number, known in messages.PROGRAM_FIELDS}

    def tell(self, old, new) -> None:
        """What is in the bytes of the program `new` and not in `old`, which may be empty."""
        fields = messages.proposal_fields(messages.PROPOSAL_PROGRAM)
        self._compare("", fields, memoryview(old), memoryview(new), 0)
        self._note(_LAST)

    def _compare(self, before: str, fields, old, new, index: int) -> None:
        """`old` and `new` begin with these fields, or are empty; `before`: of the fields' names."""
        for name, kind in fields:
            self._breathe()
            old_end = _end(kind, old)
            new_end = _end(kind, new)
            if old[:old_end] != new[:new_end]:
                self._differ(before + name, kind, old[:old_end], new[:new_end], index)
            old = old[old_end:]
            new = new[new_end:]

    def _differ(self, name: str, kind, old, new, index: int) -> None:
        if not isinstance(kind, str):
            old_count = _whole(old[:2])
            new_count = _whole(new[:2])
            old = old[2:]
            new = new[2:]
            for entry in range(max(old_count, new_count)):
                self._breathe()
                old_end = _group_end(kind, old)
                new_end = _group_end(kind, new)
                if name == "basal_steps":
                    self._put(name, entry, _step(kind, old[:old_end]), _step(kind, new[:new_end]))
                else:
                    self._compare(name + ".", kind, old[:old_end], new[:new_end], entry)
                old = old[old_end:]
                new = new[new_end:]
        elif kind == "str":
            for piece in range(_PIECES):
                at = 1 + PIECE * piece
                self._put(
                    name, index * _PIECES + piece, _whole(old[at : at + PIECE]), _whole(new[at : at + PIECE])
                )
        elif kind != "bytes":
            self._put(name, index, _whole(old), _whole(new))

    def _put(self, name: str, index: int, old: int, new: int) -> None:
        if old == new:
            return
        number = self._numbers.get(name)
        if number is not None:
            self._note(0)
            self._held = number, index << _TOP | min(old, _MOST), min(new, _MOST)

    def _note(self, last: int) -> None:
        if self._held:
            number, a, b = self._held
            self._log.note(event.PROGRAM_FIELD, number, self._ref, a, last << _TOP | b)
            if last or self._log.waiting() >= AT_ONCE:
                self._write_due()


def _whole(data) -> int:
    return int.from_bytes(bytes(data), "little")


def _end(kind, data) -> int:
    """Where a field of this kind ends that `data` begins with; 0 where there is none."""
    if not len(data):
        return 0
    if not isinstance(kind, str):
        at = 2
        for _ in range(_whole(data[:2])):
            at += _group_end(kind, data[at:])
        return at
    return codec.INTEGER_KINDS[kind][1] if kind in codec.INTEGER_KINDS else 1 + data[0]


def _group_end(fields, data) -> int:
    at = 0
    for _, kind in fields:
        at += _end(kind, data[at:])
    return at


def _step(fields, data) -> int:
    """A step of a flex schedule as one value: dose, from bit 32 on its days, from bit 40 its minute."""
    if not len(data):
        return 0
    step = codec.decode(fields, data, 0, len(data))
    return step["dose_ng_per_day"] | step["days"] << 32 | step["start_min"] << 40
