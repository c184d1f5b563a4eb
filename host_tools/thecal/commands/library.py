"""`thecal library`: what an institution needs to make, sign, check and use a library of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from thecal._io import atomic_write, private
from thecal.therapy.drug_library import signing, store
from thecal.therapy.drug_library.model import DrugEntry, LibraryFile, read_model
from thecal.therapy.drug_library.signing import LibraryError
from thecal.therapy.drug_library.store import Library
from thecal.therapy.toml_file import parse_toml, read_text
from thecal.units.amounts import concentration_text, dose_rate_text


def make(path: Path, name: str, issuer: str, version: int) -> None:
    """A copy of the library in use to be edited: another name, issuer and version, and no signature."""
    if path.exists():
        raise LibraryError(f"{path} exists already", "name another file")
    old = store.current()
    version = version or old.version + 1
    if version <= old.version:
        raise LibraryError(
            f"version {version} is not above that of the library in use, {old.version}",
            "pumps refuse to go back: take a higher one",
        )
    text = signing.without_signature(read_text(old.path))
    for field, value in (
        ("name", f'"{name}"'),
        ("issuer", f'"{issuer}"'),
        ("version", str(version)),
        ("issued", f'"{date.today()}"'),
    ):
        text = re.sub(rf"^{field} = .*$", lambda _, f=field, v=value: f"{f} = {v}", text, count=1, flags=re.M)
    read_model(parse_toml(text, str(path)))  # the name may be none that a file can hold
    atomic_write.write(path, text, LibraryError, shared=True)


def sign(path: Path, key: Path) -> tuple[str, LibraryFile]:
    """Sign a library where it stands; the public key, and what was signed. Malformed ones are not signed."""
    text = read_text(path)
    document = parse_toml(text, str(path))
    content = {name: value for name, value in document.items() if name != signing.SIGNATURE}
    file = read_model(content)
    check_issued(file)
    public, signature = signing.sign(document, signing.read_key(key))
    atomic_write.write(path, signing.with_signature(text, public, signature), LibraryError, shared=True)
    return public, file


def check_issued(file: LibraryFile) -> None:
    """By this computer's calendar; where a library is only used nothing hangs on that."""
    if date.fromisoformat(file.issued) > date.today() + timedelta(days=1):
        raise LibraryError(
            f"the library says that it was issued on {file.issued}, and today is {date.today()}",
            "correct `issued`, or this computer's date",
        )


def verify(path: Path) -> Library:
    """The library in a file, if it may be used. LibraryError: it may not."""
    checked = store.load(path)
    check_issued(checked.file)
    return checked


def use(path: Path) -> Library:
    """Make a library the one in use, for this user. One that is older than the one in use is refused."""
    new, old = verify(path), store.current()
    if new.version < old.version:
        raise LibraryError(
            f"{path} is version {new.version}, older than the one in use, {old.version}",
            "pumps refuse to go back: give it a higher version",
        )
    private.folder(store.folder())
    atomic_write.write(store.folder() / "library.toml", read_text(path), LibraryError)
    return new


def as_json(library: Library, drugs: Sequence[DrugEntry] | None = None) -> dict[str, object]:
    """The document of verify and show. `drugs`: these only."""
    return {
        "schema": 1,
        "path": str(library.path),
        "name": library.file.name,
        "issuer": library.file.issuer,
        "version": library.version,
        "issued": library.file.issued,
        "digest": library.digest.hex(),
        "signer": library.signer,
        "trusted_as": store.trusted()[library.signer],
        "drugs": [drug.model_dump(exclude_none=True) for drug in drugs or library.file.drugs],
    }


def head(library: Library) -> list[str]:
    """What it is, in a few lines."""
    file = library.file
    return [
        f"{file.name}, version {file.version} of {file.issued}, by {file.issuer}",
        f"  file    {library.path}",
        f"  digest  {library.digest.hex()}",
        f"  signed  by {store.trusted()[library.signer]} ({library.signer[:16]}...)",
    ]


def drug_lines(drug: DrugEntry) -> Iterator[tuple[str, str, str]]:
    """(figure, what it says, source) of a drug."""
    if drug.supplied:
        values = ", ".join(concentration_text(value) for value in drug.supplied.values)
        yield "supplied", values, drug.supplied.cited
    if drug.start:
        low = f"{dose_rate_text(drug.start.low_ng_per_day)} to " if drug.start.low_ng_per_day else "at most "
        yield "start", low + dose_rate_text(drug.start.high_ng_per_day), drug.start.cited
    if drug.concentration:
        limits = drug.concentration
        yield "concentration", _limits(limits.soft_ng_per_ml, limits.hard_ng_per_ml, True), limits.cited
    if drug.dose:
        dose = drug.dose
        yield "dose in 24 h", _limits(dose.soft_ng_per_day, dose.hard_ng_per_day, False), dose.cited
    if drug.step:
        step = drug.step
        percent = f"{step.percent} % either way" if step.percent else ""
        rise = f"{dose_rate_text(step.rise_ng_per_day)} up" if step.rise_ng_per_day else ""
        yield "step", ", ".join(part for part in (rise, percent) if part), step.cited
    if drug.oral:
        yield "oral", f"{drug.oral.ratio} to 1; {drug.oral.least} to 1 was published too", drug.oral.cited
    for stability in drug.stability:
        first = f" ({stability.first_days} d the first filling)" if stability.first_days else ""
        upto = concentration_text(stability.up_to_ng_per_ml)
        yield "keeps", f"{stability.days} d up to {upto}{first}", stability.cited
    for rule in drug.rules:
        yield "rule", rule.name.replace("_", " "), rule.cited


def _limits(soft: int | None, hard: int | None, concentration: bool) -> str:
    text = concentration_text if concentration else dose_rate_text
    return ", ".join(f"{word} {text(value)}" for word, value in (("soft", soft), ("hard", hard)) if value)
