"""The tables of the store. Numbers are exact integers in wire units; times of the computer are UTC in ISO
form.

A pump may have more than one log: when its memory was replaced its numbers begin anew, and then the new log
stands beside the old one (`logs.number`). What is the same of a record everywhere is in `RECORD`.
"""

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 2  # PRAGMA user_version; a store of a newer version is not touched, an older one becomes this one
RECORD = ("sequence", "boot", "at_us", "kind", "actor", "code", "ref", "a", "b", "tag")

metadata = MetaData()

pumps = Table(
    "pumps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("serial", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("firmware", Text, nullable=False),
    Column("first_seen", Text, nullable=False),
    Column("last_seen", Text, nullable=False),
)

logs = Table(
    "logs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pump_id", Integer, ForeignKey("pumps.id"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, ... of this pump
    Column("first_seen", Text, nullable=False),
    UniqueConstraint("pump_id", "number"),
)

records = Table(
    "records",
    metadata,
    Column("log_id", Integer, ForeignKey("logs.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("boot", Integer, nullable=False),
    Column("at_us", Integer, nullable=False),  # on the pump's own clock
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("code", Integer, nullable=False),
    Column("ref", Integer, nullable=False),
    Column("a", Integer, nullable=False),  # unsigned 64 bits as signed ones (see `signed`)
    Column("b", Integer, nullable=False),
    Column("tag", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("pump_id", Integer, ForeignKey("pumps.id"), nullable=False),
    Column("at", Text, nullable=False),  # the computer's time, UTC
    Column("command", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("port", Text, nullable=False),
    Column("pump_us", Integer, nullable=False),  # the pump's clock then
    Column("local_time", Text, nullable=False),  # the pump's local time then
    Column("state", Text, nullable=False),
    Column("therapy", Text),
    Column("program_digest", LargeBinary, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("reservoir_pl", Integer, nullable=False),
    Column("rate_pl_per_day", Integer, nullable=False),
    Column("delivered_ng", JSON, nullable=False),  # per drug, exact decimal strings
    Column("alarms", Integer, nullable=False),
    # since version 2; NULL: not known, as in every session before it
    Column("missed_pl", Integer),  # of what was counted since the first program, not seen to move
    Column("committed_us", Integer),  # of the program that it committed, on the pump's clock
    Column("reason", Text),  # why, as whoever did it said
)
SINCE_2 = ("missed_pl", "committed_us", "reason")

programs = Table(
    "programs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pump_id", Integer, ForeignKey("pumps.id"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("at_us", Integer, nullable=False),  # of its commit on the pump's clock; -1: not known
    Column("seen", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column(
        "therapy", JSON, nullable=False
    ),  # thecal_protocol.therapy.THERAPY; library version and digest among it
    UniqueConstraint("pump_id", "digest", "at_us"),
)

residuals = Table(
    "residuals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pump_id", Integer, ForeignKey("pumps.id"), nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("local_time", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Column("volume_pl", Integer, nullable=False),  # filled in
    Column("residual_pl", Integer, nullable=False),  # came out before
    Column("counted_pl", Integer, nullable=False),  # what the pump thought was left
    UniqueConstraint("pump_id", "at_us", "volume_pl", "residual_pl"),
)

_HALF = 1 << 63
_WHOLE = 1 << 64


def signed(value: int) -> int:
    """A u64 as SQLite holds it: two's complement. Only damaged records have such values."""
    return value if value < _HALF else value - _WHOLE


def unsigned(value: int) -> int:
    """Back again."""
    return value if value >= 0 else value + _WHOLE


def bring_up(connection: Connection) -> None:
    """Make the tables, or turn those of an older version into today's where they are: nothing is taken out.

    Its version is asked again: another program may have done it meanwhile.
    """
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version == VERSION:
        return
    metadata.create_all(connection)
    if version == 1:
        for name in SINCE_2:
            kind = sessions.c[name].type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE sessions ADD COLUMN {name} {kind}")
    connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
