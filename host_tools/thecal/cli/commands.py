"""Every command: below which heading of the help it stands, where it lies, and its one line there.

The root of the command line is made of this table alone, so that a command imports and builds its own module
and no other. A test holds each line against the command's own help.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One command, or one group of them: `where` is "module.name", below `thecal.cli`."""

    where: str
    summary: str


OFFLINE = "Without a pump"
WATCH = "Look at a pump"
CHANGE = "Change what a pump does"
STORE = "What was seen of pumps"

SECTIONS: dict[str, dict[str, Entry]] = {
    OFFLINE: {
        "emulate": Entry(
            "files.emulate",
            "Run an emulated pump on a pty and print its path. Ctrl-C ends it, SIGUSR1 presses its button.",
        ),
        "simulate": Entry(
            "files.simulate",
            "Let time pass over a therapy: the real firmware in virtual time, exact to the motor step.",
        ),
        "check": Entry(
            "files.check",
            "Validate a therapy file: worst-case doses, limits, refill date, and what would change.",
        ),
        "campaign": Entry(
            "campaign.campaign",
            "Run many seeded simulations of the pump, such as power cuts in the midst of therapy.",
        ),
        "flash": Entry(
            "board.flash", "Bring the firmware onto an RP2040 board, over its line or as a UF2 file."
        ),
        "library": Entry(
            "library.library", "Show, make and sign the drug library: limits, start doses, rules."
        ),
    },
    WATCH: {
        "ports": Entry(
            "ports.ports", "List the serial ports, boards with an RP2040 (USB 2e8a) first. Nothing is opened."
        ),
        "pair": Entry("keys.pair", "Agree on a new key with a pump, while somebody presses its button."),
        "keys": Entry("keys.keys", "The keys of pumps that this user has. No key is ever shown."),
        "status": Entry(
            "watch.status",
            "Show the pump now: state, therapy, rate, what was delivered, reservoir, next change.",
        ),
        "monitor": Entry(
            "watch.monitor",
            "Watch the pump live: rate, windows against limits, alarms, events; keys to silence and "
            "for a bolus.",
        ),
        "log": Entry(
            "watch.log",
            "Print the pump's log: every record, with its number, time on the pump's clock and actor.",
        ),
        "limits": Entry(
            "watch.limits", "Show what the pump accepts at all: lowest and highest value of every amount."
        ),
        "report": Entry(
            "report.report",
            "Write a report of a pump, a log or a simulation: program, delivery, boluses, alarms, flow, log.",
        ),
        "alarms": Entry(
            "alarms.alarms",
            "List the alarms that stand, with cause and what to do; confirm, silence or test them.",
        ),
    },
    CHANGE: {
        "session": Entry(
            "guided.session",
            "See what the pump does, change it with a review of old, new and change, and write a report.",
        ),
        "program": Entry(
            "dose.program",
            "Program a therapy: old, new and change side by side, the worst 24 hours, a question, the "
            "commit.",
        ),
        "bolus": Entry(
            "dose.bolus",
            "Give a bolus: the clinician's of --dose over --duration, or the patient's with --patient.",
        ),
        "stop": Entry(
            "dose.stop", "Stop delivery at once; a running bolus ends, and what it gave is recorded."
        ),
        "resume": Entry("dose.resume", "Resume delivery at the basal rate that is scheduled now."),
        "refill": Entry(
            "service.refill",
            "Record a refill: what came out against what was counted, the trend, a question, the record. "
            "With --program the therapy of what was filled in takes effect at the same instant.",
        ),
        "prime": Entry(
            "service.prime",
            "Prime the catheter, at an implant or a revision only. It is no dose, and it is on record.",
        ),
        "replace": Entry(
            "guided.replace",
            "Fill in another concentration: review, bridge, refill and program, in one step after the "
            "last yes.",
        ),
        "implant": Entry(
            "guided.implant", "Implant or revise a pump: program it, set the flag, prime tubing and catheter."
        ),
        "calibrate": Entry(
            "guided.calibrate",
            "Find the volume of a motor step: run counted steps into a balance, enter the mass, get "
            "the figure.",
        ),
        "cancel-plan": Entry(
            "service.cancel_plan", "End a taper or titration where it stands: its present dose stays."
        ),
        "skip-bridge": Entry(
            "service.skip_bridge",
            "Leave a bridge before its volume is through: the program's own rate begins.",
        ),
        "clock": Entry("dose.clock", "Show or set the pump's local time."),
        "fault": Entry("alarms.fault", "Show the fatal fault that stopped a pump, or clear it."),
    },
    STORE: {
        "history": Entry(
            "store.history", "Show what happened with pumps on this computer: sessions, programs, refills."
        ),
        "trend": Entry(
            "store.trend",
            "Show how a pump's true flow develops, by what came out at refills against what it counted.",
        ),
        "store": Entry("store.store", "What this computer saw of pumps: import, export, info."),
    },
}
