"""The wire protocol of thecal: one definition, imported by the pump (MicroPython) and by the host (CPython).

    framing    bytes on the line <-> checked frames (COBS, CRC-32, header)
    codec      payloads and therapy blobs <-> dicts, by tables of fields; lookups; the table hash
    messages   the tables: messages, refusals, states, events
    therapy    the tables of what a proposal carries
    version    the version of thecal, which the pump tells

This package imports nothing of ours from outside itself, does no I/O and reads no clock.
"""
