"""The Python API: one pump as an object, `from thecal import Pump`. Example: docs/reference/python-api.md.

    with Pump("/dev/ttyACM0") as pump:
        print(pump.status().status.state)
        bolus = pump.propose_bolus("0.2 mg", over="10 min")     # the pump reads it back; nothing changes yet
        print("\\n".join(bolus.words()))
        bolus.commit()                                          # now it does

A thin face over `client.Client` and the modules of single commands; the command line goes through it.
Amounts are strings with their unit, as everywhere in thecal (HOST-01). What changes a dose takes two steps,
`propose_...` and `commit` (HOST-02). Every failure is a `ThecalError` with one line that says what to do;
what is raised after a commit was sent says whether it was carried out. Not for use from several threads.
"""

from __future__ import annotations

import os
from datetime import date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from thecal._io.arguments import checked
from thecal.commands.status import Snapshot
from thecal.errors import PortError, WrongArgument
from thecal.link import keyring
from thecal.link.client import LAST_EVENT, Client
from thecal.link.responses.pump import Accounts, Event, Filling, Hello, Instant, Limit
from thecal.link.transport import Transport
from thecal.link.uncertain_delivery import certain_delivery
from thecal_protocol import messages

if TYPE_CHECKING:
    from thecal.commands.alarm_view import AlarmView
    from thecal.commands.bolus import Proposed
    from thecal.commands.clock import ProposedClock
    from thecal.commands.refill import Refill
    from thecal.commands.review import Review
    from thecal.commands.service import Prime
    from thecal.link.button import Button
    from thecal.therapy.checked import CheckedTherapy
    from thecal.therapy.models import Therapy

__all__ = ["Accounts", "Event", "Filling", "Hello", "Instant", "Limit", "Pump", "Snapshot"]


@checked
class Pump:
    """A pump on a port, in an open session. The port is given back by `close`, or at the end of a `with`.

    Args:
        port: a device, a pty or a URL of pyserial; "": what THECAL_PORT names.
        role: "observer", "patient", "clinician" or "manufacturer", whose key is used; "": what
            THECAL_ROLE names, else the clinician's. What a role may not do is Refused (`wrong_role`).
        client: the layer below, in wire units, when there is one already; `port` then only names it.
        button: called with one line, such as print, when the pump wants its button pressed; whoever
            commits is then kept waiting for a minute. None: nobody can press it, and what needs it is
            Refused (`needs_button`).

    Raises:
        PortError: no port was given, or it cannot be opened.
        LinkError: no pump answers; like PortError raised by every method when the line breaks.
        ProtocolMismatch: the pump's firmware speaks another protocol.
        ThecalError: the role is none, or there is no key for it.
    """

    def __init__(
        self,
        port: str | os.PathLike[str] = "",
        *,
        role: str = "",
        client: Client | None = None,
        button: Button | None = None,
    ) -> None:
        self.port = os.fspath(port) or os.environ.get("THECAL_PORT", "")
        if not self.port:
            raise PortError(
                "which pump? No port was given", "name one, such as /dev/ttyACM0, or set THECAL_PORT"
            )
        self.role = role or os.environ.get("THECAL_ROLE", "") or "clinician"
        keyring.role_number(self.role)  # a wrong one is found before the port is opened
        self.client = client or Client(Transport(self.port), role=self.role)
        self.client.button = button or self.client.button
        try:
            self.hello = self.client.hello()
        except BaseException:
            self.client.close()
            raise

    def __repr__(self) -> str:
        return f"Pump({self.port!r}, serial={self.serial!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back. The pump goes on with its therapy."""
        self.client.close()

    # -- who it is, and what it does

    @property
    def serial(self) -> str:
        """The serial number of the pump."""
        return self.hello.serial

    @property
    def model(self) -> str:
        """The model of the pump."""
        return self.hello.model

    @property
    def firmware(self) -> str:
        """The version of the pump's firmware."""
        return self.hello.firmware

    @property
    def state(self) -> str:
        """The pump's state now, of `thecal_protocol.messages.STATES`: "infusing", "stopped" ..."""
        return self.client.status().state

    def status(self) -> Snapshot:
        """The pump now: state, rate, what was delivered, reservoir, next change.

        Returns:
            A snapshot: volumes in pL, doses in ng, times in s and us; `rows()` says it in words.
        """
        return Snapshot.take(self.port, self.client, self.hello)

    def local_time(self) -> datetime:
        """The pump's local time, which its day schedule follows.

        Returns:
            Date and time to the microsecond, of no time zone.
        """
        from thecal.units.local_time import from_wire

        status = self.client.status()
        return from_wire(status.local_day, status.local_s, status.local_us)

    def alarms(self) -> AlarmView:
        """The alarms that stand.

        Returns:
            Their view: `words()` says why and what to do. `client` confirms and silences them.
        """
        from thecal.commands.alarm_view import AlarmView

        return AlarmView.take(self.client, self.serial)

    def limits(self) -> list[Limit]:
        """The lowest and highest value of everything that this pump accepts.

        Returns:
            One row a limit, the unit in its name (`lockout_us`).
        """
        return self.client.limits()

    def accounts(self) -> Accounts:
        """The pump's ledger.

        Returns:
            Steps per filling and source, volumes in pL.
        """
        return self.client.accounts()

    def therapy(self) -> dict[str, object] | None:
        """The program that runs.

        Returns:
            Values in wire units, by `thecal_protocol.therapy.THERAPY`; None: there is no program.
        """
        return self.client.running_program()

    def log(
        self, first: int = 0, last: int = LAST_EVENT, *, count: int = 0, faults: bool = False
    ) -> list[Event]:
        """Records of the pump's log.

        Args:
            first: number of the first record wanted.
            last: number of the last one.
            count: the newest so many, or so many from `first` on; 0: all.
            faults: of the faults' ring only.

        Returns:
            The records, oldest first; instants in s and us of the pump's clock.
        """
        from thecal.commands.log import Selection

        return Selection(first, last, count, faults).read(self.client)

    # -- what changes a dose: propose, look, commit

    def propose_program(
        self, therapy: str | os.PathLike[str] | Therapy | CheckedTherapy, *, keep_clock: bool = False
    ) -> Review:
        """Propose a therapy: the pump reads it back, and nothing changes before `Review.commit`.

        Args:
            therapy: a file, or what `load_therapy` gave.
            keep_clock: leave a clock that was never set; a first program sets it to this computer's
                otherwise.

        Returns:
            Old and new side by side, and the worst 24 hours of each drug in ng.

        Raises:
            TherapyError: the therapy, or the change to it, is wrong; with everything that is.
            Refused, Unanswered: the pump does not take it, or the line broke; nothing was changed.
        """
        from thecal.commands.review import Review
        from thecal.therapy.load import judged

        return Review.of(self.client, judged(therapy), keep_clock=keep_clock)

    def propose_bolus(self, dose: str, *, over: str, extended: bool = False) -> Proposed:
        """Propose a clinician's bolus; nothing is given before its `commit`.

        Args:
            dose: of the primary drug: "0.2 mg".
            over: for how long, evenly: "10 min".
            extended: a patient's bolus suspends it.

        Returns:
            What the pump understood, in `words()`.

        Raises:
            QuantityError: an amount has no unit, or is no whole number of the wire's.
            Refused, Unanswered: the pump does not take it, or the line broke; nothing was changed.
        """
        from thecal.commands import bolus as bolus_command
        from thecal.units.quantities import DURATION, MASS, parse_whole

        dose_ng, duration_us = parse_whole(dose, MASS), parse_whole(over, DURATION)
        return bolus_command.propose(self.client, dose_ng, duration_us, extended=extended)

    def propose_refill(
        self,
        volume: str,
        *,
        residual: str,
        lot: str = "",
        expiry: date | None = None,
        measured: str = "",
        label: str = "",
        label_volume: str = "",
        program: str | os.PathLike[str] | Therapy | CheckedTherapy | None = None,
    ) -> Refill:
        """Propose to record a refill; nothing is on record before its `commit`.

        Args:
            volume: filled in: "40 mL".
            residual: came out before: "3.1 mL".
            lot: of the drug, at most 24 bytes.
            expiry: of the drug, as its label says.
            measured: found in the reservoir after filling: "39.8 mL"; "": not measured.
            label: drug and concentration as the syringe says, "morphine 20 mg/mL", a mixture with + between:
                what differs from the program is refused; "": not read.
            label_volume: as the syringe says; "": not read.
            program: the therapy of what was filled in, or its file; one commit puts both in force, or
                neither.

        Returns:
            The refill against what the pump counted, in pL.

        Raises:
            TherapyError: the program is wrong.
            ThecalError: the label says another drug or concentration, more than fits, or an earlier day.
            QuantityError: an amount has no unit, or is no whole number of the wire's.
            Refused, Unanswered: the pump does not take it, or the line broke; nothing was changed.
        """
        from thecal.commands.refill import Before, Wanted
        from thecal.therapy.load import judged
        from thecal.therapy.refill_label import read_label
        from thecal.units.quantities import VOLUME, parse_whole

        wanted = Wanted(
            parse_whole(volume, VOLUME),
            parse_whole(residual, VOLUME, zero=True),
            lot,
            expiry,
            measured_pl=None if measured == "" else parse_whole(measured, VOLUME, zero=True),
            label=read_label(label, label_volume),
        )
        return Before.ask(self.client).propose(wanted, None if program is None else judged(program))

    def propose_prime(self, *, dry: bool, implant: bool) -> Prime:
        """Propose to prime the catheter; nothing flows before its `commit`.

        Args:
            dry: the pump tubing is filled too.
            implant: this is an implant or revision, the only time at which a pump is primed.

        Returns:
            The volume in pL, and what the pump understood.

        Raises:
            Refused, Unanswered: the pump does not take it, or the line broke; nothing was changed.
        """
        from thecal.commands.service import Prime

        return Prime.propose(self.client, dry=dry, implant=implant)

    def propose_clock(self, to: datetime | None = None, *, offset: str = "") -> ProposedClock:
        """Propose to set local time; give one of the two.

        Args:
            to: the time it shall be.
            offset: by how much it moves: "+1h", "-30 min".

        Returns:
            Old and new time.

        Raises:
            WrongArgument: both are given, or none.
            QuantityError: an amount has no unit, or is no whole number of the wire's.
            Refused, Unanswered: the pump does not take it, or the line broke; nothing was changed.
        """
        from thecal.commands.clock import Change
        from thecal.units.quantities import DURATION, parse_whole

        if (to is None) == (offset == ""):
            raise WrongArgument(
                "the clock is set to a time, or moved by an offset", "give either `to` or `offset`"
            )
        change = Change(to=to) if to else Change(offset_us=parse_whole(offset, DURATION, negative=True))
        return change.propose(self.client)

    def abort(self) -> None:
        """Have the pump forget what was proposed; nothing has changed."""
        self.client.abort()

    # -- what acts at once

    def patient_bolus(self) -> int | None:
        """Ask for the patient's bolus, as the pump's button would.

        Returns:
            The bolus's number in the log; None: the answer was lost, the bolus was not.

        Raises:
            Refused: lockout and the like; nothing is given.
            Unanswered: nobody knows whether it was given; `outcome` says what is known.
        """
        from thecal.commands import bolus as bolus_command

        return bolus_command.patient(self.client)

    def stop(self, lasting: str = "") -> None:
        """Stop delivery at once; a running bolus ends.

        Args:
            lasting: after so long it resumes by itself: "20 min"; "": only `resume` ends it.

        Raises:
            QuantityError: `lasting` is no duration.
            Refused, Unanswered: not done, or the line broke; `outcome` says what the pump did then.
        """
        from thecal.units.quantities import SECONDS, parse_whole

        seconds = 0 if lasting == "" else parse_whole(lasting, SECONDS)
        certain_delivery(self.client, "the stop", lambda: self.client.stop(resume_after_s=seconds))

    def resume(self) -> None:
        """Resume delivery at the basal rate that is scheduled now.

        Raises:
            Refused, Unanswered: not done, or the line broke; `outcome` says what the pump did then.
        """
        certain_delivery(self.client, "the resume", self.client.resume)

    def cancel_plan(self) -> None:
        """End a taper or titration where it stands; its present dose stays.

        Raises:
            Refused, Unanswered: not done, or the line broke; `outcome` says what the pump did then.
        """
        certain_delivery(
            self.client, "cancelling the plan", lambda: self.client.request(messages.CANCEL_PLAN)
        )

    def skip_bridge(self) -> None:
        """Leave a bridge before its volume is through: the program's own rate begins.

        Raises:
            Refused, Unanswered: not done, or the line broke; `outcome` says what the pump did then.
        """
        skip = messages.SKIP_BRIDGE
        certain_delivery(
            self.client,
            "skipping the bridge",
            lambda: self.client.request(skip, press="to leave the bridge"),
        )
