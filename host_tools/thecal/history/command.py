"""`thecal history`, `trend` and `store`: the store in words and as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

from thecal._io.file_names import file_name
from thecal.errors import ThecalError
from thecal.history import log_files
from thecal.history.collect import collect, told
from thecal.history.database import Store
from thecal.history.program_names import Named, is_file, of_file, of_store
from thecal.history.queries import RefillCheck, Trend, known_pumps, one_pump, trend
from thecal.history.timeline import history
from thecal.pump import Pump
from thecal.therapy import settings_diff
from thecal.units.amounts import (
    PL_PER_ML,
    exact_or_whole,
    fixed_text,
    ratio_text,
    volume_rate_text,
    volume_text,
)
from thecal.units.json_numbers import SCHEMA, nl

FORMATS = ("csv", "parquet", "fhir")


def show_history(serial: str, last: int, put_json: Callable[[dict[str, Any]], None] | None) -> None:
    """What happened with pumps here, oldest first."""
    with Store.open(create=False) as store:
        lines = history(store, serial, last)
    if put_json:
        for line in lines:
            for name in [name for name in line if name.endswith("_pl")]:
                pl = line.pop(name)
                line[name.removesuffix("_pl") + "_nl"] = None if pl is None else nl(pl)
        put_json({"schema": SCHEMA, "history": lines})
        return
    if not lines:
        print("The store is empty.")
    for line in lines:
        print(f"{line['at'][:19].replace('T', ' ')}Z  {line['serial']:<12}  {_words(line)}")
        for more in _more(line):
            print(f"{'':<36}{more}")


def _more(line: dict[str, Any]) -> Iterator[str]:
    """What stands below a line."""
    if line.get("reason"):
        yield f"reason: {line['reason']}"
    if line["what"] == "program":
        if line["first"]:
            yield f"{line['actor']}: the first program that is known here"
        else:
            for one in line["changes"]:
                yield f"{one['actor']}: {one['words']}: {one['old']} -> {one['new']}"
    if line["what"] == "session":
        for one in line["since"]["requests"]:
            why = f", {one['refused_for']}" if one["refused_for"] else ""
            yield f"{one['actor']}: {one['request']} {one['outcome']}{why}: {_times(one['times'])}"
        for one in line["since"]["confirmations"]:
            at = one["local_time"][:16].replace("T", " ") if one["local_time"] else "time not known"
            yield f"{one['actor']}: {one['confirmed']} {one['what']}, {at}".rstrip()


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def compare(serial: str, one: str, other: str, put_json: Callable[[dict[str, Any]], None] | None) -> None:
    """Two programs side by side, each by its number, its digest or a file."""
    named: list[Named] = []
    if is_file(one) and is_file(other):
        named = [of_file(one), of_file(other)]
    else:
        with Store.open(create=False) as store:
            named = [
                of_file(name) if is_file(name) else of_store(store, serial, name) for name in (one, other)
            ]
    found = settings_diff.compare(named[0].program, named[1].program)
    if put_json:
        put_json(_compared_json(named, found))
        return
    differ = [change for change in found if change.changed]
    rows = [(x.field, x.old or "-", x.new or "-", settings_diff.change_words(x)) for x in found]
    head = ("setting", *(one.title for one in named), "change")
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(3)]
    for row in (head, *rows):
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, (*widths, 0), strict=True)).rstrip())
    print(f"{len(differ)} of {len(found)} settings differ." if differ else "They do not differ.")


def _compared_json(named: list[Named], found: list[settings_diff.Change]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "compared": [one.title for one in named],
        "settings": [
            {
                "field": x.field,
                "old": x.old,
                "new": x.new,
                "changed": x.changed,
                "ratio": ratio_text(x.ratio) if x.ratio else None,
                "large": x.large,
            }
            for x in found
        ],
    }


def _words(line: dict[str, Any]) -> str:
    if line["what"] == "program":
        return f"program {line['number']}  {line['name']} (digest {line['digest'][:8]})"
    if line["what"] == "refill":
        return (
            f"refill   {volume_text(line['volume_pl'])} in, {volume_text(line['residual_pl'])} out, "
            f"{volume_text(line['counted_pl'])} counted"
        )
    rate = volume_rate_text(line["rate_pl_per_day"])
    alarms = f", {line['alarms']} alarms" if line["alarms"] else ""
    missed = f", {volume_text(line['missed_pl'])} not seen to move" if line["missed_pl"] else ""
    outcome = "" if line["outcome"] == "done" else f" ({line['outcome']})"
    return (
        f"{line['command']}{outcome}: {line['state']}, {line['therapy'] or 'no therapy'}, {rate}, "
        f"{volume_text(line['reservoir_pl'])} left{missed}{alarms}"
    )


def show_trend(serial: str, put_json: Callable[[dict[str, Any]], None] | None) -> None:
    """How one pump's flow and reservoir develop."""
    with Store.open(create=False) as store:
        found = trend(store, serial)
    if put_json:
        put_json(_trend_json(found))
        return
    print(f"{found.serial}: {len(found.refills)} refills, {len(found.reservoir)} looks at the reservoir")
    if found.refills:
        print(
            f"{'refill':<16}  {'filled in':>12}  {'came out':>12}  {'counted':>12}  {'apart':>12}  true flow"
        )
    for check in found.refills:
        cells = (check.volume_pl, check.residual_pl, check.counted_pl, check.apart_pl)
        amounts = "  ".join(f"{_ml(pl):>12}" for pl in cells)
        flag = "  ATTENTION: more than 2 mL apart" if check.suspicious else ""
        print(f"{check.local_time[:16].replace('T', ' ')}  {amounts}  {_percent(check)}{flag}")
    if found.ratio is not None:
        print(f"Over all refills the pump gave {fixed_text(100 * found.ratio, 2)} % of what it counted.")
    if len(found.reservoir) > 1:
        (first, then_pl), (last, now_pl) = found.reservoir[0], found.reservoir[-1]
        print(f"Reservoir: {volume_text(then_pl)} on {first[:16]}, {volume_text(now_pl)} on {last[:16]}.")


def _trend_json(found: Trend) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "serial": found.serial,
        "ratio": None if found.ratio is None else exact_or_whole(found.ratio),
        "refills": [
            {
                "local_time": check.local_time,
                "volume_nl": nl(check.volume_pl),
                "residual_nl": nl(check.residual_pl),
                "counted_nl": nl(check.counted_pl),
                "ratio": None if check.ratio is None else round(float(check.ratio), 6),
                "suspicious": check.suspicious,
            }
            for check in found.refills
        ],
        "reservoir": [{"local_time": at, "reservoir_nl": nl(pl)} for at, pl in found.reservoir],
    }


def _ml(pl: int) -> str:
    return f"{fixed_text(Fraction(pl, PL_PER_ML), 3)} mL"


def _percent(check: RefillCheck) -> str:
    return "-" if check.ratio is None else f"{fixed_text(100 * check.ratio, 2)} %"


def import_files(files: list[Path], serial: str, port: str) -> dict[str, Any]:
    """Logs from files, or what a pump on `port` has; each file whole or not at all."""
    added: list[dict[str, object]] = []
    with Store.open() as store:
        for path in files:
            of = serial or log_files.serial_of(path)
            if not of:
                raise ThecalError(
                    f"{path} does not say of which pump it is", "name its serial number with --pump"
                )
            done = store.add_log(of, log_files.read(path))
            said = told(of, done)
            added.append(
                {"file": str(path), "serial": of, "records": done.records, "new": done.new} | _note(said)
            )
        if port:
            with Pump(port) as pump:
                before = _count(store, pump.serial)
                said = collect(store, pump, "import")
                of, now = pump.serial, _count(store, pump.serial)
            added.append({"port": port, "serial": of, "records": now, "new": now - before} | _note(said))
    return {"schema": SCHEMA, "imported": added}


def _note(said: str) -> dict[str, object]:
    return {"note": said} if said else {}


def _count(store: Store, serial: str) -> int:
    return next((pump["records"] for pump in known_pumps(store) if pump["serial"] == serial), 0)


def export(form: str, out: Path, serial: str, offset_min: int, subject: str) -> dict[str, Any]:
    """The store in another form; what was written."""
    from thecal.history import export as tables

    with Store.open(create=False) as store:
        if form == "fhir":
            from thecal.history import fhir

            zone = timezone(timedelta(minutes=offset_min))
            name = f"{file_name(one_pump(store, serial)['serial'])}.fhir.json"
            files = [fhir.write(store, out / name, serial, zone, subject)]
        else:
            pump_id = one_pump(store, serial)["id"] if serial else None
            put = tables.write_csv if form == "csv" else tables.write_parquet
            files = put(store, out, pump_id)
    return {
        "schema": SCHEMA,
        "format": "fhir 4.3.0 (R4B)" if form == "fhir" else form,
        "files": [{"path": str(path), "bytes": path.stat().st_size, "sha256": _sha(path)} for path in files],
    }


def _sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def info() -> dict[str, Any]:
    """Where the store is and what it holds."""
    with Store.open(create=False) as store:
        pumps = known_pumps(store)
        size = store.path.stat().st_size
    shown = [{name: value for name, value in pump.items() if name != "id"} for pump in pumps]
    return {"schema": SCHEMA, "path": str(store.path), "bytes": size, "pumps": shown}
