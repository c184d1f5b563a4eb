"""What the parts of the bench need to read a request (docs/reference/boards-unix.md)."""


class BenchError(Exception):
    """The request cannot be carried out; the text goes back to the bench."""


def whole(request, name: str, least: int, default=None) -> int:
    """A whole number of the request, or the default. BenchError for anything else, or less."""
    value = request.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BenchError("bad_request: %s must be a whole number of at least %d" % (name, least))
    return value


def one_of(request, name: str, known, default=None):
    """A text of the request that is one of the known. BenchError for anything else."""
    value = request.get(name, default)
    if value not in known:
        raise BenchError("bad_request: %s is one of %s" % (name, ", ".join(sorted(known))))
    return value
