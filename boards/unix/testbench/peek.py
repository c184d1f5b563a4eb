"""What a pump would answer, without asking it: its own handlers of commands that only read, called by the
bench. Nothing wakes, no session is opened, nothing is written: who looks this way changes nothing.
"""

import binascii

from bench_requests import BenchError, whole
from thecal_protocol import codec, messages

_ROOM = 512


def _nothing() -> None:
    """In place of what writes the log."""


def peek(pump, request):
    """`opcode` and `payload` (hex) as of a frame; the answer's `result` and `payload`."""
    from pump.therapy.bounds import Refused

    opcode = whole(request, "opcode", 0)
    if pump is None or messages.command(opcode)[2] & messages.KIND != messages.READS:
        raise BenchError("bad_request: opcode is not one that only reads, or there is no pump")
    data = binascii.unhexlify(str(request.get("payload", "")))
    commands = pump._server._commands
    buffer = bytearray(_ROOM)
    pump._now()
    commands._write_log = commands._tell_log = _nothing
    try:
        values = codec.decode(messages.request_fields(opcode), data, 0, len(data))
        answer = commands.handlers[opcode](values)
        if not isinstance(answer, memoryview):
            end = codec.encode(messages.answer_fields(opcode), answer, buffer, 0, _ROOM)
            answer = memoryview(buffer)[:end]
        return {"result": 0, "payload": binascii.hexlify(answer).decode()}
    except codec.WireError as error:
        raise BenchError("bad_request: " + error.where)
    except Refused as refused:
        end = codec.encode(messages.REFUSED, {"detail": refused.detail}, buffer, 0, _ROOM)
        number = codec.number_of(messages.REFUSALS, refused.reason)
        return {"result": number, "payload": binascii.hexlify(memoryview(buffer)[:end]).decode()}
    finally:
        del commands._write_log
        del commands._tell_log
