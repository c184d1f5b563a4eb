"""Works through vectors with `wire`, on whatever Python runs it, and prints what came out, a line each.

test_micropython.py puts VECTORS (a string of JSON) and ALL_KINDS (a table) in front of this text, runs it
under CPython and under both MicroPythons, and compares the lines. Prints no dict: their order differs between
interpreters. Collects no garbage: on WebAssembly the collector cannot see what only a local variable holds.
"""

import gc
import json
from binascii import hexlify, unhexlify

from thecal_protocol import codec, framing, messages

ALL_KINDS = globals()["ALL_KINDS"]


def plain(fields, values):
    """Values from JSON: bytes come as hex."""
    out = {}
    for name, kind in fields:
        value = values[name]
        if kind == "bytes":
            value = unhexlify(value)
        elif not isinstance(kind, str):
            value = [plain(kind, entry) for entry in value]
        out[name] = value
    return out


def shown(fields, values):
    """Values as text, in the table's order."""
    text = ""
    for name, kind in fields:
        value = values[name]
        if not isinstance(kind, str):
            text += name + "[" + ";".join([shown(kind, entry) for entry in value]) + "] "
        elif kind == "bytes":
            text += name + "=" + hexlify(value).decode() + " "
        elif kind == "str":
            text += name + "=" + hexlify(value.encode()).decode() + " "
        else:
            text += name + "=" + str(value) + " "
    return text


def table(name):
    """A table of fields by the name that wire_values.TABLES gives it."""
    if name == "all kinds":
        return ALL_KINDS
    if name == "refused":
        return messages.REFUSED
    message, kind = name.split()
    if kind == "proposal":
        return messages.proposal_fields(codec.number_of(messages.PROPOSALS, message))
    opcode = codec.number_of(messages.MESSAGES, message)
    return messages.request_fields(opcode) if kind == "request" else messages.answer_fields(opcode)


def show_blob(fields, blob):
    try:
        values = codec.decode(fields, blob, 0, len(blob))
    except codec.WireError as error:
        print("error", error.number, error.where)
    else:
        print("values", shown(fields, values), hexlify(codec.encoded(fields, values)).decode())


def show_stream(stream, step):
    reader = framing.FrameReader()
    for start in range(0, len(stream), step):
        chunk = stream[start : start + step]
        at = 0
        while at < len(chunk):
            at = reader.feed(chunk, at, len(chunk))
            if reader.ready:
                payload = hexlify(reader.buffer[reader.payload_at : reader.payload_end]).decode()
                print(
                    "frame", reader.flags, reader.session, reader.seq, reader.opcode, reader.result, payload
                )
    print("good", reader.good, "bad", reader.bad)


def show_sealed(session, seq, opcode, result, payload):
    buffer = bytearray(framing.FRAME_SIZE)
    if result < 0:
        end = framing.REQUEST_AT + len(payload)
        buffer[framing.REQUEST_AT : end] = payload
        count = framing.seal_request(buffer, end, session, seq, opcode)
    else:
        end = framing.ANSWER_AT + len(payload)
        buffer[framing.ANSWER_AT : end] = payload
        count = framing.seal_answer(buffer, end, session, seq, opcode, result)
    print("sealed", hexlify(buffer[:count]).decode())


def main(vectors):
    print("hash", hexlify(codec.table_hash(messages.SCHEMA)).decode())
    print(codec.version_text(messages.PROTOCOL_VERSION, codec.table_hash(messages.SCHEMA)))
    for name, values in vectors["values"]:
        fields = table(name)
        print("encoded", hexlify(codec.encoded(fields, plain(fields, values))).decode())
    for name, blob in vectors["blobs"]:
        show_blob(table(name), unhexlify(blob))
    for stream, step in vectors["streams"]:
        show_stream(unhexlify(stream), step)
    for session, seq, opcode, result, payload in vectors["seals"]:
        show_sealed(session, seq, opcode, result, unhexlify(payload))


gc.disable()
main(json.loads(globals()["VECTORS"]))
