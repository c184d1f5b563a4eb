"""A log as a pump writes it in many days, on the board's own store, by the firmware's own code.

Arguments: a flash file, days, periodic boluses a day, patient boluses a day; then kinds of records with which
each day is flooded besides, as `kind:actor:code:times`. Prints, for each ring: number of the oldest record,
of the newest, how many it holds.
"""

import sys

from flash import Flash
from pump.records.event_log import EventLog
from pump.records.event_queue import EventQueue
from pump.timebase import Timebase
from store import Store

DAY_S = 86_400
STARTED, DELIVERED, PERIODIC, PATIENT = 7, 8, 3, 2


class Local:
    """Local time, as far as the log asks for it."""

    day = second = us = 0

    def at(self, s, us):
        self.day, self.second = 9501 + s // DAY_S, s % DAY_S


class Log:
    """The log and the clock it goes by."""

    def __init__(self, path):
        self.timebase = Timebase(0)
        store = Store(Flash(path, sys.exit))
        self.queue = EventQueue(self.timebase, None)
        self.log = EventLog(self.timebase, self.queue, store, lambda size: bytes(range(size)))
        self.queue.note(1, 1, 0, 0, 0)
        self.log.start_up(Local(), None, lambda: 0, 0)

    def note(self, s, actor, kind, code, ref):
        self.timebase.s = s
        self.queue.actor = actor
        self.queue.note(kind, code, ref, 0, 0)
        self.queue.actor = 0
        while self.log.is_due():
            self.log.write_due()

    def bolus(self, s, actor, code, ref):
        self.note(s, actor, STARTED, code, ref)
        self.note(s + 300, 0, DELIVERED, code, ref)


def main():
    path, days, periodic, patient = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    floods = [[int(part) for part in flood.split(":")] for flood in sys.argv[5:]]
    log = Log(path)
    for day in range(days):
        s = day * DAY_S
        for kind, actor, code, times in floods:
            for count in range(times):
                log.note(s + count * 60 // times, actor, kind, code, 0)
        due = [(n * DAY_S // periodic, 0, PERIODIC, n) for n in range(periodic)]
        due += [(n * DAY_S // patient + 600, PATIENT, PATIENT, n) for n in range(patient)]
        for at, actor, code, ref in sorted(due):
            log.bolus(s + at + 60, actor, code, ref)
    for ring in log.log.rings:
        print(log.log.first_kept(ring), ring.last, ring.records())


main()
