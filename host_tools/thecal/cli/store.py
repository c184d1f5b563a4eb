"""The commands over the store: history, trend, store import, export and info."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.common import Json, Port, note, print_json
from thecal.cli.declare import STORE, command, examples, group
from thecal.cli.option_rules import apart, rules
from thecal.errors import ThecalError

if TYPE_CHECKING:
    from thecal.pump import Pump

MOST_LETTERS = 500  # of a reason
Serial = Annotated[
    str, typer.Option("--pump", metavar="SERIAL", help="Of this pump only. Default: the only one, or all.")
]
NoStore = Annotated[
    bool,
    typer.Option("--no-store", help="Keep nothing of this session in the store (THECAL_STORE=off: never)."),
]


def _reason(text: str) -> str:
    """As it is kept. Wrong usage before any port is opened: what could not be kept."""
    words = " ".join(text.split())
    if text and not words:
        raise typer.BadParameter("says nothing: leave it out, or say why.")
    if len(words) > MOST_LETTERS:
        raise typer.BadParameter(f"has {len(words)} letters: {MOST_LETTERS} at most.")
    if words:
        from thecal.history import where

        if where.path() is None:
            raise typer.BadParameter(f"is kept in the store, which is off: unset {where.VARIABLE}.")
    return words


Reason = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", callback=_reason, help="Why: kept in this computer's store, not the pump."
    ),
]

store = group(
    "store", STORE, help="What this computer saw of pumps: import, export, info.", no_args_is_help=True
)


def remember(
    pump: "Pump",
    command: str,
    no_store: bool,
    *,
    reason: str = "",
    committed_us: int | None = None,
    refill: tuple[int, int, int] | None = None,
) -> None:
    """Keep this session in the store, unless that is not wanted. Trouble with the store is a remark on
    stderr. `reason`: why it was done, as whoever did it says.
    """
    from thecal.history import where

    if no_store or where.path() is None or pump.role == "patient":  # who may read neither log nor program
        if reason:
            note("the reason is not kept: the store keeps nothing of a patient's session")
        return
    from thecal.history.collect import remember as into_store

    said = into_store(pump, command, reason=reason, committed_us=committed_us, refill=refill)
    if said:
        note(said)


def reasons_of(serial: str | None) -> "dict[int, str]":
    """Why programs of a pump were committed, as this computer's store has it, by the instant of the commit.
    Trouble with the store is a remark on stderr."""
    from thecal.history import where

    path = where.path()
    if not serial or path is None or not path.exists():
        return {}
    from thecal.history.database import Store  # heavy
    from thecal.history.happenings import reasons

    try:
        with Store.open(create=False) as store:
            return {at_us: why for (of, at_us), why in reasons(store).items() if of == serial}
    except ThecalError as error:
        note(f"without the reasons that this computer's store has: {error.message}")
        return {}


def tags_seen(serial: str, no_store: bool) -> "dict[int, bytes]":
    """What the store knows of a pump's log. Trouble with the store is a remark on stderr."""
    if no_store:
        return {}
    from thecal.history.collect import tags_seen as in_store  # heavy, and only who verifies needs it

    try:
        return in_store(serial)
    except ThecalError as error:
        note(f"not compared with this computer's store: {error.message}")
        return {}


@command(
    STORE,
    "thecal history --last 20",
    "thecal history --pump UNIX-C4494050 --json",
    "thecal history --compare before last",
    "thecal history --compare 2 new.toml",
)
@rules("history", apart("--compare", "--last", why="two programs are no list of lines."))
def history(
    pump: Serial = "",
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, help="The newest N lines; 0: all.")] = 0,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare",
            metavar="A B",
            help="Two programs side by side, each a number of this list, last, before, a digest or a file.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what happened with pumps on this computer: sessions, programs with old and new, refills."""
    from thecal.history import command as store_command

    if compare:
        store_command.compare(pump, *compare, print_json if as_json else None)
        return
    store_command.show_history(pump, last, print_json if as_json else None)


@command(STORE, "thecal trend --pump UNIX-C4494050")
def trend(pump: Serial = "", as_json: Json = False) -> None:
    """Show how a pump's true flow develops, by what came out at refills against what it counted."""
    from thecal.history import command as store_command

    store_command.show_trend(pump, print_json if as_json else None)


@store.command("import")
@examples(
    "store import",
    "thecal store import log.jsonl --pump UNIX-C4494050",
    "thecal store import --port /dev/ttyACM0",
)
@rules(
    "store import",
    apart("--port", "FILE...", "--pump", why="what comes from a pump is of that pump; choose one."),
)
def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Logs: of `thecal log --jsonl, --csv, --json`."),
    ] = None,
    pump: Annotated[str, typer.Option("--pump", metavar="SERIAL", help="Of which pump the files are.")] = "",
    port: Port = "",
    as_json: Json = False,
) -> None:
    """Bring logs into the store, from files or (--port) from a pump. What is there already stays as it is."""
    if not files and not port:
        raise typer.BadParameter("name files, or a pump with --port.")
    from thecal.history import command as store_command

    done = store_command.import_files(files or [], pump, "" if files else port)
    if as_json:
        print_json(done)
        return
    for one in done["imported"]:
        source = one.get("file") or one.get("port")
        print(f"{source}: {one['records']} records of {one['serial']}, {one['new']} of them new")
        if "note" in one:
            note(str(one["note"]))


@store.command("export")
@examples(
    "store export",
    "thecal store export out --format parquet",
    'thecal store export out --format fhir --utc-offset +01:00 --subject "Patient/17"',
)
def export(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go; made when missing.")],
    form: Annotated[str, typer.Option("--format", metavar="csv|parquet|fhir", help="The form.")] = "csv",
    pump: Serial = "",
    offset: Annotated[
        str,
        typer.Option(
            "--utc-offset", metavar="+HH:MM", help="fhir: the pump's local time is so far from UTC."
        ),
    ] = "+00:00",
    subject: Annotated[
        str,
        typer.Option(metavar="REFERENCE", help='fhir: the patient, such as "Patient/17"; thecal knows none.'),
    ] = "",
    as_json: Json = False,
) -> None:
    """Write the store as CSV, Parquet or FHIR R4B (4.3.0; Device, DeviceMetric, Observation,
    MedicationAdministration)."""
    from thecal.history import command as store_command

    if form not in store_command.FORMATS:
        raise typer.BadParameter(f"{form!r} is none of csv, parquet, fhir.", param_hint="--format")
    if form != "fhir" and (subject or offset != "+00:00"):
        raise typer.BadParameter("and --utc-offset are for --format fhir alone.", param_hint="--subject")
    done = store_command.export(form, out, pump, _minutes(offset), subject)
    if as_json:
        print_json(done)
    else:
        for one in done["files"]:
            print(one["path"])


@store.command("info")
@examples("store info", "thecal store info")
def info(as_json: Json = False) -> None:
    """Show where the store is and which pumps it knows."""
    from thecal.history import command as store_command

    done = store_command.info()
    if as_json:
        print_json(done)
        return
    print(f"{done['path']}  ({done['bytes']} bytes)")
    for one in done["pumps"]:
        print(
            f"{one['serial']}  {one['sessions']} sessions, {one['programs']} programs, "
            f"{one['residuals']} refills, {one['records']} records in {one['logs']} logs"
        )


def _minutes(offset: str) -> int:
    match = re.fullmatch(r"([+-])([01]\d):([0-5]\d)", offset)
    if not match:
        raise typer.BadParameter(f"{offset!r} is no offset; write it like +01:00.", param_hint="--utc-offset")
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes
