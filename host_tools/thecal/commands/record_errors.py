"""Why a pump trusts none of its records: the numbers of `records_distrusted` in its log
(docs/explanation/storage.md, What a start finds), in words, with the way out.
"""

from thecal.link.client import Client

_PROGRAM_IT = "program it; the lockout is then active and the day's boluses count as given"

WORDS: dict[int, tuple[str, str]] = {
    2: ("the ledger is damaged", _PROGRAM_IT),
    3: ("the ledger is of another version of the firmware", f"install that firmware, or {_PROGRAM_IT}"),
    4: ("the program is missing, damaged, or not one this firmware runs", _PROGRAM_IT),
    5: ("the fillings are missing or damaged", _PROGRAM_IT),
    6: ("the flash held no file system of ours and was formatted", "program it"),
    7: ("the flash neither reads nor formats", "the pump needs service"),
    8: ("the records are another pump's", f"put the flash back into its pump, or {_PROGRAM_IT}"),
    9: ("the history of patient boluses is damaged", "wait for the lockout; therapy goes on"),
    10: ("the keys of the link are damaged", "pair with it: thecal pair --role clinician"),
}


def of_last_start(client: Client) -> list[int]:
    """The numbers of what the pump could not trust when it last started, in the order of its log."""
    boot = client.log_state().boot
    records = client.events(faults=True)
    return [one.code for one in records if one.kind == "records_distrusted" and one.boot == boot]


def text(number: int) -> str:
    """One line: what was found, and what to do."""
    what, to_do = WORDS.get(
        number, (f"records not trusted for reason {number}", "see docs/explanation/storage.md")
    )
    return f"{what} ({number}): {to_do}"
