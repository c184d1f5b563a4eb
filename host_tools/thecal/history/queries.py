"""Questions to the store: which pumps it knows, rows for the exports, how a flow develops (`trend`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import Table, select

from thecal._io.shown import shown_all
from thecal.errors import ThecalError
from thecal.history.database import Store
from thecal.history.schema import logs, programs, pumps, records, residuals, sessions, unsigned
from thecal.history.strange import checked

SUSPICIOUS_PL = 2_000_000_000  # a residual this far from the count is flagged (CLINICAL, refill check)
_CHUNK = 50_000


class UnknownPump(ThecalError):
    """The store knows no such pump."""


def known_pumps(store: Store) -> list[dict[str, Any]]:
    """Every pump, with how much there is of it."""
    with store.reading() as connection:
        every = connection.execute(select(pumps).order_by(pumps.c.serial)).mappings()
        found = [shown_all(checked(pumps, dict(row))) for row in every]
        for pump in found:
            for table in (sessions, programs, residuals):
                count = select(table.c.id).where(table.c.pump_id == pump["id"])
                pump[table.name] = len(connection.execute(count).all())
            counted = "SELECT count(*) FROM records JOIN logs ON logs.id = log_id WHERE pump_id = ?"
            pump["records"] = connection.exec_driver_sql(counted, (pump["id"],)).scalar_one()
            pump["logs"] = len(
                connection.execute(select(logs.c.id).where(logs.c.pump_id == pump["id"])).all()
            )
    return found


def one_pump(store: Store, serial: str) -> dict[str, Any]:
    """The pump of this serial number; without one, the only pump there is. UnknownPump otherwise."""
    found = known_pumps(store)
    names = ", ".join(pump["serial"] for pump in found) or "none"
    fitting = [pump for pump in found if pump["serial"] == serial or not serial]
    if len(fitting) != 1:
        what = f"the store knows no pump {serial}" if serial else "the store knows several pumps"
        what = what if found else "the store knows no pump"
        raise UnknownPump(what, f"name one of these with --pump: {names}")
    return fitting[0]


def rows(
    store: Store, table: Table, pump_id: int | None = None, kinds: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Every row of a table with its pump's serial number (of one pump, or all), in the order of its key.
    `kinds`: of records only these.
    """
    columns = [column for column in table.c if column.name not in ("pump_id", "log_id")]
    if table is records:
        joined = records.join(logs, logs.c.id == records.c.log_id).join(pumps, pumps.c.id == logs.c.pump_id)
        wanted = select(pumps.c.serial, logs.c.number.label("log"), *columns).select_from(joined)
    elif table is pumps:
        wanted = select(*columns)
    else:
        joined = table.join(pumps, pumps.c.id == table.c.pump_id)
        wanted = select(pumps.c.serial, *columns).select_from(joined)
    if pump_id is not None:
        wanted = wanted.where(pumps.c.id == pump_id)
    if kinds:
        wanted = wanted.where(records.c.kind.in_(sorted(kinds)))
    with store.reading() as connection:
        order = (sessions.c.at, sessions.c.pump_us) if table is sessions else table.primary_key
        streamed = connection.execution_options(yield_per=_CHUNK).execute(wanted.order_by(*order))
        for row in streamed.mappings():
            values = shown_all(checked(table, dict(row)))
            if table is records:
                values["a"], values["b"] = unsigned(values["a"]), unsigned(values["b"])
            yield values


def numbered(store: Store, pump_id: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every program with its number among those of its pump, in the order in which they came to run."""
    count: Counter[str] = Counter()
    for row in sorted(
        rows(store, programs, pump_id), key=lambda row: (row["serial"], row["seen"], row["id"])
    ):
        count[row["serial"]] += 1
        yield count[row["serial"]], row


def as_wire(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A program of the store as it came over the link: the digest of its library in bytes."""
    library = [one | {"digest": bytes.fromhex(one["digest"])} for one in stored.get("library", ())]
    return {**stored, "library": library}


@dataclass(frozen=True)
class RefillCheck:
    """One refill against the count. `ratio`: true flow by counted flow since the refill before; None:
    unknown.
    """

    local_time: str
    filled_pl: int  # at the refill before, or by the first program; 0: not known
    volume_pl: int
    residual_pl: int
    counted_pl: int
    ratio: Fraction | None

    @property
    def apart_pl(self) -> int:
        """What came out less what was counted: negative when more left the pump than it counted."""
        return self.residual_pl - self.counted_pl

    @property
    def suspicious(self) -> bool:
        """Whether more than 2 mL apart."""
        return abs(self.apart_pl) > SUSPICIOUS_PL


@dataclass(frozen=True)
class Trend:
    """How a pump's flow and reservoir develop."""

    serial: str
    refills: list[RefillCheck]
    reservoir: list[tuple[str, int]]  # (pump local time, pl) at each session

    @property
    def ratio(self) -> Fraction | None:
        """True flow by counted flow over all refills together: volumes add up, so long fillings count for
        more.
        """
        known = [check for check in self.refills if check.ratio is not None]
        counted = sum(check.filled_pl - check.counted_pl for check in known)
        true = sum(check.filled_pl - check.residual_pl for check in known)
        return Fraction(true, counted) if counted > 0 else None


def trend(store: Store, serial: str) -> Trend:
    """The trend of one pump."""
    pump = one_pump(store, serial)
    checks: list[RefillCheck] = []
    begun = min(rows(store, programs, pump["id"]), key=lambda row: row["at_us"], default=None)
    first_fill: int | None = begun["therapy"].get("fill_pl") if begun and begun["at_us"] >= 0 else None
    for row in sorted(rows(store, residuals, pump["id"]), key=lambda row: row["at_us"]):
        filled = checks[-1].volume_pl if checks else first_fill
        ratio = None if filled is None else _ratio(filled, row)
        amounts = (filled or 0, row["volume_pl"], row["residual_pl"], row["counted_pl"])
        checks.append(RefillCheck(row["local_time"], *amounts, ratio))
    looks = sorted(rows(store, sessions, pump["id"]), key=lambda row: (row["at"], row["pump_us"]))
    return Trend(pump["serial"], checks, [(row["local_time"], row["reservoir_pl"]) for row in looks])


def _ratio(filled_pl: int, now: Mapping[str, Any]) -> Fraction | None:
    """(V_fill - V_actual) / (V_fill - V_expected), CLINICAL; None when nothing was counted."""
    counted = filled_pl - now["counted_pl"]
    return Fraction(filled_pl - now["residual_pl"], counted) if counted > 0 else None


def tags(store: Store, serial: str) -> dict[int, bytes]:
    """The tags of a pump's newest log, by number of the record; nothing where none is known."""
    with store.reading() as connection:
        newest = (
            select(logs.c.id)
            .join(pumps, pumps.c.id == logs.c.pump_id)
            .where(pumps.c.serial == serial)
            .order_by(logs.c.number.desc())
            .limit(1)
        )
        wanted = select(records.c.sequence, records.c.tag).where(records.c.log_id == newest.scalar_subquery())
        found = [checked(records, dict(row)) for row in connection.execute(wanted).mappings()]
    return {row["sequence"]: row["tag"] for row in found}
