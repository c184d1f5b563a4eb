"""A pairing that is broken off, or made with another device, costs no key that is kept here (SEC-21)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.pressing import presser
from thecal.commands import keys as keys_command
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link import keyring
from thecal.link.client import Client
from thecal_protocol.roles import CLINICIAN

from .conftest import Thecal

SERIAL = "UNIX-C4494050"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keyring of somebody who has none yet."""
    path = tmp_path / "keys"
    monkeypatch.setenv("THECAL_KEYS", str(path))
    return path


@pytest.fixture
def pump() -> Iterator[Emulator]:
    with Emulator(seed=1, paired=False) as emulator:
        assert emulator.serial_number == SERIAL
        yield emulator


@pytest.fixture
def stranger() -> Iterator[Emulator]:
    """Another device that says the same number."""
    with Emulator(seed=2, serial_number=SERIAL, paired=False) as emulator:
        yield emulator


def pair(pump: Emulator, said: list[str] | None = None) -> keys_command.Paired:
    """As `thecal pair`, with somebody at the button."""
    press = presser(pump)

    def tell(text: str) -> None:
        if said is not None:
            said.append(text)
        if text.startswith("Press"):
            press(text)

    return keys_command.pair(pump.port, "clinician", tell)


def opens(pump: Emulator) -> bool:
    try:
        Client.connect(pump.port).close()
    except Refused:
        return False
    return True


@pytest.mark.req("SEC-21", part="a device that says the same serial number")
def test_a_stranger_with_the_same_number_takes_no_key_away(pump: Emulator, stranger: Emulator):
    assert pair(pump).old is None
    said: list[str] = []
    assert pair(stranger, said).old == "kept"
    assert said[0].startswith(f"note: this pump does not take the key that is kept here for {SERIAL}.")
    assert said[1].startswith("Press the button")
    assert len(keyring.keys(SERIAL, "clinician")) == 2
    for device in (stranger, pump, pump, stranger):  # each by its own key, whichever was used last
        assert opens(device)
        assert keyring.stored(SERIAL, "clinician") == device.key(CLINICIAN)


@pytest.mark.req("SEC-21", part="the old key goes when the pump has shown that it is this one")
def test_a_pump_that_knows_the_old_key_leaves_the_new_one_alone(pump: Emulator):
    pair(pump)
    said: list[str] = []
    assert pair(pump, said).old == "revoked"
    assert len(said) == 1
    assert keyring.keys(SERIAL, "clinician") == [pump.key(CLINICIAN)]


@pytest.mark.req("SEC-21", part="broken off before and after the pump took the new key")
@pytest.mark.parametrize("taken", [False, True])
def test_a_pairing_that_is_killed(pump: Emulator, monkeypatch: pytest.MonkeyPatch, taken: bool):
    pair(pump)
    old = pump.key(CLINICIAN)
    whole: Callable[..., None] = keys_command._open  # pyright: ignore[reportPrivateUsage]

    def killed(*arguments: object) -> None:
        if taken:
            whole(*arguments)
        os._exit(9)

    monkeypatch.setattr(keys_command, "_open", killed)
    child = os.fork()
    if child == 0:
        pair(pump)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (pump.key(CLINICIAN) != old) == taken
    assert keyring.keys(SERIAL, "clinician")[0] == old
    assert len(keyring.keys(SERIAL, "clinician")) == 2
    assert opens(pump)
    assert keyring.stored(SERIAL, "clinician") == pump.key(CLINICIAN)


@pytest.mark.req("SEC-21", part="a pump that does not take the new key")
def test_a_pairing_that_is_refused(pump: Emulator, monkeypatch: pytest.MonkeyPatch):
    pair(pump)
    before = keyring.keys(SERIAL, "clinician")
    monkeypatch.setattr("thecal.link.pairing.pairing_key", lambda *_: bytes(16))  # another than the pump's
    with pytest.raises(keys_command.ThecalError, match="did not take the new key"):
        pair(pump)
    assert keyring.keys(SERIAL, "clinician") == before
    monkeypatch.undo()


@pytest.mark.req("SEC-21", part="two numbers that differ in one character, and files of 0.1.0")
def test_no_two_pumps_share_a_file(folder: Path):
    names = ["A/B", "A_B", "A B", "A%2FB", "../A", "", "a", "A"]
    for number, name in enumerate(names):
        keyring.store(name, "patient", bytes([number] * 16))
    assert [keyring.stored(name, "patient") for name in names] == [bytes([n] * 16) for n in range(len(names))]
    assert {entry.serial for entry in keyring.kept()} == set(names)
    assert {file.parent for file in folder.rglob("*")} == {folder}
    assert keyring.remove("A_B", "patient")
    assert keyring.stored("A/B", "patient") == bytes(16)


@pytest.mark.req("SEC-21", part="two numbers that differ in one character, and files of 0.1.0")
def test_a_file_that_0_1_0_named_is_read(folder: Path):
    folder.mkdir(mode=0o700)
    old = folder / "A_B.clinician.link"
    old.write_text(bytes(16).hex() + "\n")
    old.chmod(0o600)
    assert keyring.stored("A/B", "clinician") == keyring.stored("A_B", "clinician") == bytes(16)
    keyring.prefer("A/B", "clinician", bytes([1] * 16))
    assert keyring.keys("A/B", "clinician") == [bytes([1] * 16), bytes(16)]
    assert keyring.keys("A_B", "clinician") == [bytes(16)]


def bad_folder(folder: Path, mode: int) -> None:
    folder.chmod(mode)


def link_elsewhere(folder: Path, mode: int) -> None:
    file = keyring.path_of("P-1", "clinician")
    file.rename(folder.parent / "elsewhere")
    file.symlink_to(folder.parent / "elsewhere")


def pipe(folder: Path, mode: int) -> None:
    file = keyring.path_of("P-1", "clinician")
    file.unlink()
    os.mkfifo(file, 0o600)


def bad_mode(folder: Path, mode: int) -> None:
    keyring.path_of("P-1", "clinician").chmod(mode)


def rubbish(folder: Path, mode: int) -> None:
    keyring.path_of("P-1", "clinician").write_text("00" * 16 + "\nfe\n")


@pytest.mark.req("SEC-22", part="a keyring that others can write to, a key file that is a link")
@pytest.mark.parametrize(
    ("spoil", "mode", "words"),
    [
        (bad_folder, 0o777, "others may write to the folder {folder}, so the keys in it may be theirs; "),
        (bad_folder, 0o1777, "others may write to the folder"),
        (
            bad_folder,
            0o770,
            "if nobody did: chmod 700 {folder}; otherwise name another folder with THECAL_KEYS",
        ),
        (link_elsewhere, 0, "P-1.clinician.link is a link to another place"),
        (pipe, 0, "is no file of yours"),
        (bad_mode, 0o640, "others may read"),
        (bad_mode, 0o602, "chmod 600"),
        (rubbish, 0, "holds no key"),
    ],
)
def test_a_keyring_that_is_not_safe_is_not_used(
    folder: Path, spoil: Callable[[Path, int], None], mode: int, words: str
):
    keyring.store("P-1", "clinician", bytes(16))
    spoil(folder, mode)
    with pytest.raises(keyring.NoKey) as refused:
        keyring.stored("P-1", "clinician")
    assert words.format(folder=folder) in str(refused.value)
    with pytest.raises(keyring.NoKey):
        keyring.prefer("P-1", "clinician", bytes(16))


@pytest.mark.req("SEC-22", part="a keyring that others can write to, a key file that is a link")
def test_a_folder_that_others_may_read_is_none_of_theirs_to_change(folder: Path):
    folder.mkdir(0o755)
    folder.chmod(0o755)
    keyring.store("P-1", "clinician", bytes(16))
    assert keyring.stored("P-1", "clinician") == bytes(16)


def test_a_home_that_cannot_be_written(pump: Emulator, quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("THECAL_KEYS")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    assert quick_thecal("pair", port=pump.port).error == (  # before anybody is asked to press
        "the key cannot be kept in /dev/null/.config/thecal/link-keys: Not a directory; "
        "set THECAL_KEYS to a folder that you may write to"
    )


def test_a_port_that_is_none_says_what_it_is(quick_thecal: Thecal):
    for port, words in (
        ("/dev/null", "/dev/null is no serial port; "),
        ("socket://127.0.0.1:1", "nobody listens at socket://127.0.0.1:1: connection refused; "),
        ("socket://127.0.0.1", "'127.0.0.1' is no host with the number of a port; "),
        ("socket://127.0.0.1:99999", "'127.0.0.1:99999' is no host with the number of a port; "),
    ):
        assert quick_thecal("status", port=port).error.startswith(words)
