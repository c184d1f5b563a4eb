"""The commands that need no pump: emulate, simulate, check."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.common import Json, check_serial_number, local_time, note, print_json, quantity
from thecal.cli.declare import OFFLINE, command

if TYPE_CHECKING:
    from thecal.emulator import command as emulate_command

Therapy = Annotated[Path, typer.Argument(metavar="THERAPY.toml", help="The therapy file.")]
Flash = Annotated[Path | None, typer.Option(help="File that holds the pump's flash; made when missing.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Makes the pump's random numbers repeatable.")]
Source = Annotated[
    bool, typer.Option("--source", help="Boot the firmware's text and not what was compiled beforehand.")
]


_SESSION_S = 180  # of a pump that hears nothing
_HASTY = 10  # times as fast: nobody reads a review in less than 18 s


@command(
    OFFLINE,
    "thecal emulate --link /tmp/pump --speed 10",
    "thecal emulate --flash pump.flash --speed max",
    "thecal emulate --speed 0 --tcp 127.0.0.1:0 --json",
)
def emulate(
    flash: Flash = None,
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="How many times as fast as real. 0: as `thecal bench` says.")
    ] = "1",
    seed: Seed = None,
    link: Annotated[Path | None, typer.Option(help="A name for the port that stays the same.")] = None,
    tcp: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve its line there too, as socket://; port 0: any.")
    ] = "",
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Leave the pairing to `thecal pair`.")] = False,
    source: Source = False,
    serial_number: Annotated[
        str, typer.Option("--serial-number", help="Of a new pump; else one is made up. Kept on its flash.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Run an emulated pump on a pty and print its path. Ctrl-C ends it, SIGUSR1 presses its button."""
    _check_speed(speed)
    address = _address_of(tcp) if tcp else None
    check_serial_number(serial_number)
    from thecal.emulator import command as emulate_command

    wanted = emulate_command.Wanted(
        speed=speed,
        flash=flash,
        seed=seed,
        link=link,
        tcp=address,
        paired=not unpaired,
        source=source,
        serial_number=serial_number,
    )

    def tell(pump: "emulate_command.Running") -> None:
        if pump.tcp and not _is_local(pump.tcp):
            note(f"Warning: whoever reaches {pump.tcp} over the network can talk to this pump.")
        if as_json:
            print_json({"schema": 1, **asdict(pump), "link": str(link) if link else None})
        else:
            print(link or pump.port, flush=True)
            _tell_people(pump, str(link or pump.port), wanted)

    emulate_command.serve(tell, wanted)


def _tell_people(pump: "emulate_command.Running", port: str, wanted: "emulate_command.Wanted") -> None:
    note(f"The pump runs. Try: thecal status --port {port}. Ctrl-C ends it.")
    if pump.tcp:
        note(f"Its line is also at socket://{pump.tcp}")
    if wanted.clock == "virtual":
        note(f'Its time stands still. Try: thecal bench advance "1 h" --port {port}')
    elif wanted.clock == "free":
        note("It forgets what is proposed at once: say --yes when you program it.")
    elif wanted.times > _HASTY:
        note(
            f"It forgets what is proposed in {_SESSION_S / wanted.times:.2g} s: answer sooner, or say --yes."
        )


def _check_speed(speed: str) -> None:
    if speed != "max" and not (speed.isascii() and speed.isdecimal()):
        raise typer.BadParameter(f"{speed!r} is neither a whole number nor max.", param_hint="--speed")


def _address_of(text: str) -> tuple[str, int]:
    """HOST:PORT; this computer alone where no host is said."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65535 or (":" in host) != (host[:1] == "["):
        raise typer.BadParameter(
            f"{text!r} is no HOST:PORT; write for example 127.0.0.1:0.", param_hint="--tcp"
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def _is_local(address: str) -> bool:
    from ipaddress import ip_address

    return ip_address(address.rpartition(":")[0].strip("[]").partition("%")[0]).is_loopback


@command(
    OFFLINE,
    "thecal simulate examples/morphine-constant.toml --for 7d",
    "thecal simulate examples/morphine-constant.toml --for 24h --json",
)
def simulate(
    therapy: Therapy,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help='How long: "24h", "7d", "1y".')],
    events: Annotated[Path | None, typer.Option(help="Events file: what happens, and when.")] = None,
    start: Annotated[
        str, typer.Option(metavar="ISO-TIME", help="Pump local time at the start.")
    ] = "2026-01-05T00:00",
    flash: Flash = None,
    seed: Seed = None,
    trace: Annotated[
        Path | None, typer.Option(help="Record every motor step: 64-bit microseconds, little endian.")
    ] = None,
    source: Source = False,
    as_json: Json = False,
) -> None:
    """Let time pass over a therapy: the real firmware in virtual time, exact to the motor step."""
    from thecal.simulation import command
    from thecal.units.quantities import LASTING

    command.run(
        command.Request(
            therapy=therapy,
            duration_us=quantity("--for", duration, LASTING),
            events=events,
            start=local_time("--start", start),
            flash=flash,
            seed=seed,
            trace=trace,
            source=source,
        ),
        print_json if as_json else None,
    )


@command(
    OFFLINE,
    "thecal check examples/baclofen-night-rise.toml",
    "thecal check new.toml --running old.toml --json",
)
def check(
    therapy: Therapy,
    running: Annotated[
        Path | None, typer.Option(metavar="OLD.toml", help="The therapy that it would replace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate a therapy file: worst-case doses, limits, refill date, and what would change."""
    from thecal.errors import ThecalError, TherapyError
    from thecal.therapy.check import check_files

    report = check_files(therapy, running)
    if not as_json and not therapy.exists():  # which is no fault of a therapy
        raise TherapyError([report.errors[0]], "correct its name, or say in which folder it is")
    if as_json:
        print_json(report.as_json())
    else:
        from thecal.therapy.check_text import print_report

        print_report(report, therapy)
    if not report.ok:
        first = str(TherapyError([report.errors[0]]))
        more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
        raise ThecalError(f"{therapy} is not sound: {first}{more}", "mend it and check it again")


@command(OFFLINE, "thecal examples", "thecal examples here")
def examples(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Where they are copied to; made when missing.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the examples that thecal carries, therapies and programs, or copy them into a folder."""
    import shutil

    from thecal._io import paths
    from thecal.errors import ThecalError

    home = paths.project_root() / "examples"
    files = sorted(x for x in home.rglob("*") if x.is_file() and x.suffix != ".pyc")
    names = [file.relative_to(home).as_posix() for file in files]
    if folder is not None:
        there = [name for name in names if (folder / name).exists()]
        if there:
            raise ThecalError(f"{folder / there[0]} is there already", "name another folder")
        try:
            for name, file in zip(names, files, strict=True):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / name)
        except OSError as error:
            raise ThecalError(
                f"the examples cannot be copied to {folder}: {error.strerror}", "name another folder"
            ) from None
    if as_json:
        print_json({"schema": 1, "folder": None if folder is None else str(folder), "files": names})
    else:
        print("\n".join(names if folder is None else [str(folder / name) for name in names]))
