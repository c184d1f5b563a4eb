"""Why a request was not answered, told from what came instead."""

from thecal.errors import LinkError
from thecal.link import bare_console
from thecal.link.transport import Link


def what_came(link: Link, tried: str, echoes: int, strangers: int) -> LinkError:
    """After the last try. `tried`: how often, in words; `echoes`, `strangers`: frames that were no answer."""
    console = bare_console.found_on(link) if link.sample and not strangers else None
    if console is not None:
        return console
    if strangers:
        return LinkError(
            f"the pump on {link.name} answers, but not this request ({tried})",
            "another program may be talking to it, or the line loses too much",
            "stranger",
        )
    if echoes:
        return LinkError(
            f"{link.name} sends back what is sent to it ({tried})",
            "this is a loopback or an echoing terminal, not a pump: choose another port",
            "echo",
        )
    if link.sample:
        return LinkError(
            f"what comes from {link.name} is not thecal's protocol: {link.sample!r} ... ({tried})",
            "check that this is the pump's port and that it runs thecal's firmware",
            "garbage",
        )
    return LinkError(
        f"no answer from {link.name} ({tried})",
        "check that the pump is powered and that this is its port",
        "silent",
    )


def late(link: Link) -> LinkError:
    """Answers come, but have been waited for too long in all (`patience`)."""
    return LinkError(
        f"{link.name} answers late again and again: no pump takes so long",
        "is it the pump's port? If so, another program may be talking to the pump: try again",
        "late",
    )
