"""Names of people, pumps and drugs as names of files: no two are one, and none leads elsewhere."""

from urllib.parse import quote, unquote


def file_name(name: str) -> str:
    """Letters, digits and `-._~` as they are, all else as %XX of its UTF-8."""
    return quote(name, safe="")


def name_of(file: str) -> str:
    """The name that `file_name` made into this."""
    return unquote(file)
