"""What a program says of the drug library that it was made with, checked and put on record.

The pump does not hold the library, nor does it check its signature: that is the programmer's part. It
refuses a program that passes the hard limits which come with it (SEC-11), one made with another library of
the running program's version (HOST-05), and logs every soft limit that was passed, with both values
(SEC-12); an older or a looser library needs a press (`pump.therapy.press`). A hard limit of the dose must be
kept by the drug's own limit, which every bolus and schedule is held to. The rules of drugs come with the
program, too: no drug's name means anything to the pump, and a program that says nothing of its drugs is held
to the strictest rules. Allocates: commands only.
"""

from pump.therapy.bounds import Refused
from thecal_protocol import events as event
from thecal_protocol.program import NO_PATIENT_BOLUS, UNKNOWN_DRUG, WITHDRAWAL

_MOST_CONFIRMED = 15
_DIGEST_SIZE = 8


def check(prescription) -> None:
    """Refused when the program's own library forbids it. Sets `withdrawal`: must it not end suddenly?"""
    drugs = prescription.drugs
    libraries = prescription.values["library"]
    prescription.withdrawal = not libraries
    if len(libraries) > 1:
        raise Refused("inconsistent", "library")
    for library in libraries:
        _check_form(library, len(drugs))
        for index, drug in enumerate(drugs):
            entry = library["drugs"][index]
            _check_hard(drug, entry)
            if entry["rules"] & NO_PATIENT_BOLUS and prescription.values["patient_bolus"]:
                raise Refused("drug_rule", drug["name"])
            if entry["rules"] & WITHDRAWAL:
                prescription.withdrawal = True


def _check_form(library, drugs: int) -> None:
    confirmed = library["confirmed"]
    if not library["version"] or len(library["digest"]) != _DIGEST_SIZE:
        raise Refused("out_of_range", "library")
    if len(library["drugs"]) != drugs or len(confirmed) > _MOST_CONFIRMED:
        raise Refused("inconsistent", "library")
    for entry in confirmed:
        if entry["drug"] >= drugs:
            raise Refused("inconsistent", "library")


def _check_hard(drug, entry) -> None:
    most = entry["max_concentration_ng_per_ml"]
    if most and drug["concentration_ng_per_ml"] > most:
        raise Refused("hard_limit", "concentration " + drug["name"])
    most = entry["max_dose_24h_ng"]
    if most and not 0 < drug["max_dose_24h_ng"] <= most:
        raise Refused("hard_limit", "max_dose_24h " + drug["name"])


def check_succession(running, new) -> None:
    """Refused when `new` was made with another library of the same version as that of `running` (None:
    nothing runs), or says what a new program may not say. One that ran before these rules goes on."""
    for old in running.values["library"] if running is not None else ():
        version, digest = version_of(new)
        if version == old["version"] and digest != old["digest"]:
            raise Refused("library_differs", str(version))
    if new.values["patient_bolus"] and not new.values["library"]:
        raise Refused("drug_rule", "no library")
    names = [drug["name"].lower() for drug in new.drugs]
    if len(set(names)) < len(names):  # it would have two limits
        raise Refused("inconsistent", "drugs")


def version_of(prescription):
    """(version, digest); (0, b"") without a library."""
    for library in prescription.values["library"]:
        return library["version"], library["digest"]
    return 0, b""


def note_committed(prescription, log, ref: int) -> None:
    """That it is in force, by which library, and the soft limits that it passes: onto the log. `ref`: that of
    the refill it came with, 0: of none."""
    version, digest = version_of(prescription)
    log.note(event.PROGRAM_COMMITTED, 0, ref, version, int.from_bytes(digest, "little"))
    for library in prescription.values["library"]:
        for entry in library["confirmed"]:
            log.note(
                event.SOFT_LIMIT_PASSED, entry["what"], entry["drug"] + 1, entry["value"], entry["limit"]
            )
        for index, entry in enumerate(library["drugs"]):
            if entry["rules"] & UNKNOWN_DRUG:
                log.note(event.UNKNOWN_DRUG, 0, index + 1, 0, 0)
