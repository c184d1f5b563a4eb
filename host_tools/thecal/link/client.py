"""Talking to a pump: sessions, retries, at-most-once commands, and typed answers.

    with Client.connect("/dev/ttyACM0") as pump:
        print(pump.status().state)
        proposal = pump.propose_program(values)      # read back and proved equal to what was sent
        pump.commit(proposal.digest)

A method that returns was carried out exactly once, one that raises LinkError or PortError at most once:
`resolve_outcome` finds out which. A method that raises `Refused` changed nothing.
"""

from types import TracebackType
from typing import Self

from thecal.link import key_lookup, keyring, log_pages, proposals
from thecal.link.button import Button, pressed
from thecal.link.proposals import refill_values
from thecal.link.responses.alarms import (
    Alarms,
    Reservoir,
    Sensors,
    alarms_of,
    check_of,
    reservoir_of,
    self_test_of,
    sensors_of,
    standing_of,
)
from thecal.link.responses.pump import (
    Accounts,
    Committed,
    Event,
    Hello,
    Instant,
    Limit,
    LogState,
    Proposal,
    Reply,
    Status,
    accounts_of,
    filling_of,
    log_state_of,
    malformed,
    status_of,
)
from thecal.link.session import TIMEOUT_S, TRIES, CommandOutcome, FindKey, Session
from thecal.link.transport import Link, Transport
from thecal_protocol.bolus_kinds import WORDS
from thecal_protocol.messages import (
    ABORT,
    ACCOUNTS,
    ALARM_CONFIRM,
    ALARM_SILENCE,
    ALARM_TEST,
    ALARMS_LIST,
    CLEAR_FAULT,
    COMMIT,
    IMPLANT,
    LIMITS,
    LOG_CLEAR,
    LOG_KEY,
    LOG_STATE,
    PATIENT_BOLUS,
    PROPOSAL_BOLUS,
    PROPOSAL_CLOCK,
    PROPOSAL_PRIME,
    PROPOSAL_PROGRAM,
    PROPOSAL_REFILL,
    PROPOSAL_REFILL_AND_PROGRAM,
    RESERVOIR,
    RESUME,
    SELF_TEST,
    SENSORS_READ,
    STATES,
    STATUS,
    STOP,
)

LAST_EVENT = 0xFFFFFFFF  # past every number of the log
LOG_KEY_BYTES = 16


class Client:
    """One pump, reached over one `Link`. Not for use from several threads."""

    def __init__(
        self,
        link: Link,
        *,
        role: str = "clinician",
        find_key: FindKey = key_lookup.find,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        button: Button | None = None,
    ) -> None:
        """`role`: observer, patient, clinician or manufacturer. `find_key`: where its key comes from.
        `button`: who is told to press the pump's; None: nobody, and what needs it is Refused.
        """
        self.button = button
        number = keyring.role_number(role)
        self._session = Session(link, role=number, find_key=find_key, timeout_s=timeout_s, tries=tries)

    @classmethod
    def connect(
        cls, port_url: str, *, role: str = "clinician", timeout_s: float = TIMEOUT_S, tries: int = TRIES
    ) -> Self:
        """Open the port and a session on it, with the key that the keyring has for the pump and role."""
        link = Transport(port_url)
        try:
            client = cls(link, role=role, timeout_s=timeout_s, tries=tries)
            client.hello()
        except BaseException:
            link.close()
            raise
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back. The pump's session ends by itself."""
        self._session.link.close()

    # -- session

    @property
    def asked(self) -> int:
        """How many requests it has made in sessions."""
        return self._session.asked

    def hello(self) -> Hello:
        """Open a new session. ProtocolMismatch when the pump speaks another protocol, NoKey without a key for
        it, Refused when the pump does not take the key."""
        return self._session.hello()

    def resolve_outcome(self) -> CommandOutcome:
        """After a LinkError or PortError: a new session, and what became of the command without an answer."""
        return self._session.resolve_outcome()

    # -- questions

    def status(self) -> Status:
        """The pump now."""
        return status_of(self._session.request(STATUS, {}))

    def limits(self) -> list[Limit]:
        """The pump's own limits."""
        pages = self._session.pages(LIMITS, "first", "limits", "total")
        found = [one for page in pages for one in page.group("limits")]
        if not found:
            raise malformed("limits", "an empty page")
        return [Limit(one.text("name"), one.number("low"), one.number("high")) for one in found]

    def events(
        self,
        first: int = 0,
        last: int = LAST_EVENT,
        *,
        count: int | None = None,
        faults: bool = False,
        doses: bool = False,
    ) -> list[Event]:
        """The log from number `first` (or the oldest that is kept) to `last` or its end, oldest first.

        `count`: at most so many. `faults`, `doses`: only those of that ring.
        """
        return log_pages.events(self._session, first, last, count, 1 if faults else 2 if doses else 0)

    def log_state(self) -> LogState:
        """How far the log reaches; with the tags at its ends, for `integrity.verify`."""
        return log_state_of(self._session.request(LOG_STATE, {}))

    def log_key(self) -> bytes:
        """The key of the log's chain; for clinicians and the manufacturer. See `log_keys`."""
        key = self._session.request(LOG_KEY, {}).data("key")
        if len(key) != LOG_KEY_BYTES:
            raise malformed("log_key", f"a key of {len(key)} bytes")
        return key

    def clear_log(self) -> None:
        """Always Refused: the log only grows. Here so that a tool which asks gets the pump's own answer."""
        self._session.request(LOG_CLEAR, {})

    def accounts(self) -> Accounts:
        """The pump's ledger. Of several pages the last one, with the filling in use, is of one instant."""
        pages = self._session.pages(ACCOUNTS, "first_filling", "fillings", "fillings_total")
        fillings = [filling_of(entry) for page in pages for entry in page.group("fillings")]
        sources = pages[-1]
        if not sources.group("sources"):  # no room beside a filling of five drugs
            sources = self._session.request(ACCOUNTS, {"first_filling": len(fillings)})
        return accounts_of(pages[-1], fillings, sources)

    def running_program(self) -> dict[str, object] | None:
        """The therapy the pump runs, by `thecal_protocol.therapy.THERAPY`; None when it was never
        programmed.
        """
        return proposals.running_program(self._session)

    # -- dose-changing commands: propose, then commit

    def propose(self, kind: int, values: dict[str, object]) -> Proposal:
        """Send a proposal in pieces and check what the pump understood.

        Refused: the pump refuses it. ReadbackMismatch: what it read is not what was sent; it was withdrawn.
        Nothing changes until `commit` of the proposal's digest.
        """
        return proposals.propose(self._session, kind, values)

    def propose_program(self, therapy: dict[str, object]) -> Proposal:
        """Propose a therapy, as `thecal_protocol.therapy.THERAPY`."""
        return self.propose(PROPOSAL_PROGRAM, therapy)

    def propose_bolus(self, dose_ng: int, duration_us: int, **words: bool) -> Proposal:
        """Propose a clinician's bolus: the plain one, or the kind whose word is true."""
        values: dict[str, object] = {"dose_ng": dose_ng, "duration_us": duration_us}
        values |= dict.fromkeys(WORDS, 0) | {word: int(said) for word, said in words.items()}
        return self.propose(PROPOSAL_BOLUS, values)

    def propose_clock_offset(self, offset_us: int) -> Proposal:
        """Propose to move local time by `offset_us`."""
        values: dict[str, object] = {"absolute": 0, "day": 0, "second": 0, "us": 0, "offset_us": offset_us}
        return self.propose(PROPOSAL_CLOCK, values)

    def propose_clock(self, day: int, second: int, us: int) -> Proposal:
        """Propose to set local time: days since 2000-01-01, second of the day, microsecond."""
        values: dict[str, object] = {"absolute": 1, "day": day, "second": second, "us": us, "offset_us": 0}
        return self.propose(PROPOSAL_CLOCK, values)

    def propose_refill(
        self,
        volume_pl: int,
        residual_pl: int,
        *,
        lot: str = "",
        expiry_day: int | None = None,
        measured_pl: int | None = None,
    ) -> Proposal:
        """Propose to record a refill. `expiry_day`: last day of the drug's stability, days since 2000-01-01;
        `measured_pl`: what was found in the reservoir after filling."""
        values = refill_values(
            volume_pl, residual_pl, lot=lot, expiry_day=expiry_day, measured_pl=measured_pl
        )
        return self.propose(PROPOSAL_REFILL, values)

    def propose_refill_and_program(self, refill: dict[str, object], therapy: dict[str, object]) -> Proposal:
        """Propose a refill (`refill_values`) and the therapy of what was filled in
        (`thecal_protocol.therapy.THERAPY`): the commit puts both on record at one instant, or neither.
        """
        return self.propose(PROPOSAL_REFILL_AND_PROGRAM, {**refill, **therapy})

    def propose_prime(self, *, dry: bool) -> Proposal:
        """Propose to prime: the whole dead volume of a dry pump, else the catheter's only."""
        return self.propose(PROPOSAL_PRIME, {"dry": int(dry)})

    def commit(self, digest: bytes) -> Committed:
        """Make the proposal of this digest so, from one instant to the next."""
        reply = self.request(COMMIT, digest=digest)
        return Committed(reply.instant("at"), reply.number("ref"))

    def abort(self) -> None:
        """Withdraw the proposal."""
        self._session.request(ABORT, {})

    # -- alarms, sensors, self tests, the reservoir

    def alarms(self) -> Alarms:
        """Every alarm that stands, and which one is announced."""
        pages = self._session.pages(ALARMS_LIST, "first", "alarms", "total")
        standing = [standing_of(entry) for page in pages for entry in page.group("alarms")]
        return alarms_of(pages[-1], standing)

    def confirm_alarm(self, number: int = 0) -> int:
        """Take note of an alarm (0: of all): it sounds no more until it is raised anew. How many it were."""
        return self._session.request(ALARM_CONFIRM, {"alarm": number}).number("confirmed")

    def silence_alarms(self) -> int:
        """No tone for a while: so many seconds."""
        return self._session.request(ALARM_SILENCE, {}).number("silent_s")

    def test_alarm(self, *, critical: bool) -> bool:
        """Sound the tone of a class; was it heard by the pump?"""
        return bool(self._session.request(ALARM_TEST, {"critical": int(critical)}).number("sounded"))

    def sensors(self) -> Sensors:
        """What the sensors said last."""
        return sensors_of(self._session.request(SENSORS_READ, {}))

    def self_test(self) -> tuple[str, int]:
        """Test itself now: "passed" or the first test that failed, and the microseconds it took."""
        return self_test_of(self._session.request(SELF_TEST, {}))

    def clear_fault(self) -> str:
        """Back from a latched fault, if the self test passes; the pump's state then."""
        reply = self._session.request(CLEAR_FAULT, {})
        return reply.name("state", STATES)

    def reservoir(self) -> Reservoir:
        """The reservoir, when it is due, and the last refills."""
        pages = self._session.pages(RESERVOIR, "first", "checks", "total")
        checks = [check_of(entry) for page in pages for entry in page.group("checks")]
        return reservoir_of(pages[-1], checks)

    # -- commands of one step

    def stop(self, *, resume_after_s: int = 0) -> Instant:
        """Stop delivery, for `resume_after_s` or (0) until `resume`; when it took effect."""
        return self._session.request(STOP, {"resume_after_s": resume_after_s}).instant("at")

    def resume(self) -> Instant:
        """Resume delivery; when it took effect."""
        return self._session.request(RESUME, {}).instant("at")

    def patient_bolus(self) -> int:
        """Ask for the patient's bolus, as the patient would; its number in the log."""
        return self._session.request(PATIENT_BOLUS, {}).number("ref")

    def set_implant_flag(self) -> Instant:
        """Say that the pump is being implanted or revised: for an hour a prime may be given."""
        return self.request(IMPLANT, press="to set the implant flag").instant("at")

    def request(self, opcode: int, *, press: str = "to carry this out", **values: object) -> Reply:
        """Any request, by its row of `thecal_protocol.messages`: its fields in, its answer out.

        `press`: what it is for, where it needs the pump's button pressed. Nobody pressed: the pump forgets
        it.
        """
        session = self._session

        def forget() -> None:
            session.hello()  # while a signal is held nothing else is sent; the session before waits no longer

        return pressed(
            lambda: session.request(opcode, values), press, session.serial, self.button, give_up=forget
        )
