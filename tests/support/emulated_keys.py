"""The keys of the emulated pumps of this process, for commands that run as processes of their own."""

import os
from pathlib import Path

import pytest

from thecal.emulator.emulator import Emulator
from thecal.link import key_lookup, keyring
from thecal.link.client import Client
from thecal_protocol.roles import CLINICIAN


def keys_for(*arguments: object) -> dict[str, str]:
    """THECAL_KEYS for a command with these arguments: where a port among them is an emulated pump's, a folder
    with its key alone. Several of them bear the same serial number."""
    for argument in map(str, arguments):
        port = argument.removeprefix("--port=")
        emulator = getattr(key_lookup.provider_of(port), "__self__", None)
        if isinstance(emulator, Emulator):
            if emulator.key(CLINICIAN) is None:
                Client.connect(emulator.port).close()
            folder = Path(os.environ["THECAL_KEYS"]) / port.replace("/", "-")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("THECAL_KEYS", str(folder))
                keyring.store(emulator.serial_number, "clinician", emulator.key(CLINICIAN) or b"")
            return {"THECAL_KEYS": str(folder)}
    return {}
