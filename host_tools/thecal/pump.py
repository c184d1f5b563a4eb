"""The Python API: one pump as an object. `from thecal import Pump`; worked example:
docs/reference/python-api.md.

    with Pump("/dev/ttyACM0") as pump:
        print(pump.status().status.state)
        bolus = pump.propose_bolus("0.2 mg", over="10 min")     # the pump reads it back; nothing changes yet
        print("\\n".join(bolus.words()))
        bolus.commit()                                          # now it does

A thin face over `client.Client` and the modules of single commands; the command line goes through it.
Amounts are strings with their unit, as everywhere in thecal (HOST-01). What changes a dose takes two steps,
`propose_...` and `commit` (HOST-02). Every failure is a `ThecalError` with one line that says what to do;
what is raised after a commit was sent says whether it was carried out. Not for use from several threads.
Importing this is quick: what only some commands need is loaded by them.
"""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from thecal.commands.status import Snapshot
from thecal.errors import PortError
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


class Pump:
    """A pump on `port`: a device, a pty or a pyserial URL; without one, what THECAL_PORT names.

    `role`: "observer", "patient", "clinician" or "manufacturer", whose key is used; without one, what
    THECAL_ROLE names, else the clinician's. What a role may not do the pump refuses (`wrong_role`).
    Opens the port and a session at once. PortError, LinkError, ProtocolMismatch: no pump, or none that
    answers. `client` is the layer below, in wire units.

    `button`: called with one line, such as print, when the pump wants its button pressed; whoever commits is
    then kept waiting for a minute. None: nobody can press it, and what needs it is Refused (`needs_button`).
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
        """Its serial number."""
        return self.hello.serial

    @property
    def model(self) -> str:
        """Its model."""
        return self.hello.model

    @property
    def firmware(self) -> str:
        """The version of its firmware."""
        return self.hello.firmware

    @property
    def state(self) -> str:
        """ "unprogrammed", "infusing", "stopped" or "fault", as it is now."""
        return self.client.status().state

    def status(self) -> Snapshot:
        """The pump now: state, rate, delivered, reservoir, next change; `rows()` says it in words."""
        return Snapshot.take(self.port, self.client, self.hello)

    def local_time(self) -> datetime:
        """The pump's local time, which its day schedule follows. It knows no time zone."""
        from thecal.units.local_time import from_wire

        status = self.client.status()
        return from_wire(status.local_day, status.local_s, status.local_us)

    def alarms(self) -> AlarmView:
        """The alarms that stand: `words()` says why and what to do. `client` confirms and silences them."""
        from thecal.commands.alarm_view import AlarmView

        return AlarmView.take(self.client)

    def limits(self) -> list[Limit]:
        """The lowest and highest value of everything that this pump accepts."""
        return self.client.limits()

    def accounts(self) -> Accounts:
        """The pump's ledger: steps per filling and source."""
        return self.client.accounts()

    def therapy(self) -> dict[str, object] | None:
        """The program that runs, in wire units by `thecal_protocol.therapy.THERAPY`; None: there is none."""
        return self.client.running_program()

    def log(
        self, first: int = 0, last: int = LAST_EVENT, *, count: int = 0, faults: bool = False
    ) -> list[Event]:
        """Records of the log, oldest first. `count`: the newest so many, or so many from `first` on."""
        from thecal.commands.log import Selection

        return Selection(first, last, count, faults).read(self.client)

    # -- what changes a dose: propose, look, commit

    def propose_program(
        self, therapy: str | os.PathLike[str] | Therapy | CheckedTherapy, *, keep_clock: bool = False
    ) -> Review:
        """Propose a therapy or its file: old and new side by side. TherapyError, Refused: it cannot be.

        The commit of a pump's first program sets a clock that was never set to this computer's local time,
        unless `keep_clock`."""
        from thecal.commands.review import Review

        return Review.of(self.client, _checked(therapy), keep_clock=keep_clock)

    def propose_bolus(self, dose: str, *, over: str, extended: bool = False) -> Proposed:
        """Propose a clinician's bolus: `dose` of the primary drug ("0.2 mg"), evenly `over` "10 min"."""
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
        program: str | os.PathLike[str] | Therapy | CheckedTherapy | None = None,
    ) -> Refill:
        """Propose to record a refill: `volume` filled in ("40 mL"), `residual` that came out before, the
        drug's lot and expiry date, and what was `measured` in the reservoir after filling. `program`: the
        therapy of what was filled in, or its file; one commit puts both in force, or neither."""
        from thecal.commands.refill import Before, Wanted
        from thecal.units.quantities import VOLUME, parse_whole

        wanted = Wanted(
            parse_whole(volume, VOLUME),
            parse_whole(residual, VOLUME, zero=True),
            lot,
            expiry,
            measured_pl=parse_whole(measured, VOLUME, zero=True) if measured else None,
        )
        return Before.ask(self.client).propose(wanted, None if program is None else _checked(program))

    def propose_prime(self, *, dry: bool, implant: bool) -> Prime:
        """Propose to prime the catheter (`dry`: the tubing too). `implant`: it is an implant or revision."""
        from thecal.commands.service import Prime

        return Prime.propose(self.client, dry=dry, implant=implant)

    def propose_clock(self, to: datetime | None = None, *, offset: str = "") -> ProposedClock:
        """Propose to set local time `to` a time, or to move it by `offset` ("+1h", "-30 min")."""
        from thecal.commands.clock import Change
        from thecal.units.quantities import DURATION, parse_whole

        if (to is None) == (not offset):
            raise ValueError("give either `to` or `offset`")
        change = Change(to=to) if to else Change(offset_us=parse_whole(offset, DURATION, negative=True))
        return change.propose(self.client)

    def abort(self) -> None:
        """The pump forgets what was proposed; nothing has changed."""
        self.client.abort()

    # -- what acts at once

    def patient_bolus(self) -> int | None:
        """Ask for the patient's bolus, as the button would; its number in the log. None: the answer was lost,
        the bolus was not. Refused: lockout and the like."""
        from thecal.commands import bolus as bolus_command

        return bolus_command.patient(self.client)

    def stop(self, lasting: str = "") -> None:
        """Stop delivery at once; after `lasting` ("20 min") it resumes by itself. A running bolus ends."""
        from thecal.units.quantities import SECONDS, parse_whole

        seconds = parse_whole(lasting, SECONDS) if lasting else 0
        certain_delivery(self.client, "the stop", lambda: self.client.stop(resume_after_s=seconds))

    def resume(self) -> None:
        """Resume delivery at the basal rate that is scheduled now."""
        certain_delivery(self.client, "the resume", self.client.resume)

    def cancel_plan(self) -> None:
        """End a taper or titration where it stands; its present dose stays."""
        certain_delivery(
            self.client, "cancelling the plan", lambda: self.client.request(messages.CANCEL_PLAN)
        )

    def skip_bridge(self) -> None:
        """Leave a bridge before its volume is through: the program's own rate begins."""
        skip = messages.SKIP_BRIDGE
        certain_delivery(
            self.client,
            "skipping the bridge",
            lambda: self.client.request(skip, press="to leave the bridge"),
        )


def _checked(therapy: str | os.PathLike[str] | Therapy | CheckedTherapy) -> CheckedTherapy:
    from thecal.therapy.checked import CheckedTherapy
    from thecal.therapy.judge import checked
    from thecal.therapy.load import load_therapy
    from thecal.therapy.models import Therapy

    if isinstance(therapy, CheckedTherapy):
        return therapy
    return checked(therapy) if isinstance(therapy, Therapy) else load_therapy(Path(therapy))
