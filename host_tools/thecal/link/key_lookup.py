"""Which key a session is proved with: the keyring's, or what a provider knows of a pump in this process.

For pumps that live in this process (an emulator, tests) a provider answers instead of the keyring, by the
port that the pump is on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Protocol

from thecal.link import keyring
from thecal.link.responses.pump import Hello


class Named(Protocol):
    """A line with a name: the port's."""

    @property
    def name(self) -> str:
        """What the port is called."""
        ...


class OnALink(Protocol):
    """The session that is about to be opened, as far as finding its key goes."""

    @property
    def link(self) -> Named:
        """The line that it runs over."""
        ...


_BESIDE = 2  # the third failure in a row slows a pump down (docs/reference/security.md)

# The key of a role (1 to 4), asked for with the session that is about to be opened.
Provider = Callable[[Any, Hello, int], bytes | None]
_providers: dict[str, Provider] = {}


def find(session: OnALink, hello: Hello, role: int) -> bytes:
    """The key for a pump that has said hello. NoKey: what to do to get one."""
    name = keyring.role_name(role)
    provider = provider_of(session.link.name)
    key = provider(session, hello, role) if provider else keyring.stored(hello.serial, name)
    if key is None:
        raise keyring.NoKey(
            f"there is no {name}'s key for the pump {hello.serial} in {keyring.folder()}",
            f"pair with it: thecal pair --role {name}",
        )
    return key


def beside(session: OnALink, serial: str, role: int, key: bytes) -> list[bytes]:
    """The keys that are kept beside this one, which the pump has not taken: the next to be tried, as many as
    a pump hears before it slows down."""
    if provider_of(session.link.name):
        return []
    kept = keyring.keys(serial, keyring.role_name(role))
    return [other for other in kept if other != key][:_BESIDE]


def proved(serial: str, role: int, key: bytes) -> None:
    """The pump has taken this key, and not the first one: from now on it is the first."""
    with contextlib.suppress(keyring.NoKey):  # the folder may be one that nobody writes to
        keyring.prefer(serial, keyring.role_name(role), key)


def provide(port: str, provider: Provider) -> None:
    """Keys of the pump on this port come from the provider, until `withdraw`."""
    _providers[os.path.realpath(port)] = provider


def provider_of(port: str) -> Provider | None:
    """Whoever answers for the pump on this port."""
    return _providers.get(os.path.realpath(port))


def withdraw(port: str) -> None:
    """The pump on this port is gone."""
    _providers.pop(os.path.realpath(port), None)
