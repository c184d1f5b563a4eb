"""Flash, keys and a store that thecal 0.1.0 made (tests/data/flash-0.1.0) are taken over whole."""

import json
import lzma
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firmware.records.reader import Records
from system.kept.readings import digest_of, made_in, record_of, therapy_of
from thecal.emulator.emulator import Emulator
from thecal.eventlog import integrity, log_keys
from thecal.history.database import Store
from thecal.link import keyring
from thecal.link.client import Client
from thecal_protocol.roles import ROLES

DATA = Path(__file__).resolve().parents[2] / "data" / "flash-0.1.0"
NAMES = sorted(path.name.removesuffix(".json") for path in DATA.glob("*.json"))
STEP_PL = 2500
FUTURE = 99
_TAKEN_OVER = 3  # the storage format from 0.2 on


@dataclass(frozen=True)
class Made:
    """One image, and what the firmware that made it read from it."""

    image: bytes
    says: dict[str, Any]


def made(name: str) -> Made:
    image = lzma.decompress((DATA / f"{name}.flash.xz").read_bytes())
    return Made(image, json.loads((DATA / f"{name}.json").read_text()))


def on(image: bytes, folder: Path) -> Emulator:
    """Today's firmware on an image."""
    (folder / "flash").write_bytes(image)
    return Emulator(flash=folder / "flash", settings={"seed": 7})


def differences(was: Any, now: Any, at: str = "") -> list[str]:
    """Where what 0.1.0 said is not what is said now; what is only said now does not count."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [line for key in was for line in differences(was[key], now.get(key), f"{at}.{key}")]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = enumerate(zip(was, now, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{at}[{i}]")]
    return [] if was == now else [f"{at}: {was!r} is now {now!r}"]


@pytest.mark.req("REC-13", "REC-05", "INT-06")
@pytest.mark.parametrize("name", NAMES)
def test_a_flash_of_0_1_0_is_taken_over_whole(name: str, tmp_path: Path):
    """Program, ledger, fillings, reservoir, alarms, log with its tags, keys; and then the same steps."""
    old = made(name)
    says = old.says
    with on(old.image, tmp_path) as pump:
        pump.bench.set_step_volume(STEP_PL)
        with Client.connect(pump.port) as client:
            assert client.hello().serial == says["serial"]
            assert differences(says["therapy"], therapy_of(client)) == []
            check_log(client, says)
            keys = {role: key.hex() for number, role in ROLES if (key := pump.key(number))}
            assert keys == says["keys"]
        assert made_in(pump.bench, tuple(says["hours"])) == says["made"]
        with Client.connect(pump.port) as client:
            assert differences(says["then"], therapy_of(client)) == []
    after = Records((tmp_path / "flash").read_bytes())
    assert after.ledger().programmed == (says["therapy"]["state"] != "unprogrammed")


def check_log(client: Client, says: dict[str, Any]) -> None:
    """Every record that 0.1.0 kept, in its ring, and the chain still holds."""
    assert client.log_key().hex() == says["log_key"]
    events = client.events(0)
    verdict = integrity.verify(bytes.fromhex(says["log_key"]), client.log_state(), events)
    assert verdict.flaws == ()
    records = [record_of(event) for event in events if event.boot < says["boot"]]
    assert digest_of(records) == says["records_sha256"]
    faults = [event.sequence for event in client.events(0, faults=True) if event.boot < says["boot"]]
    assert faults == says["in_faults"]


@pytest.mark.req("REC-13")
def test_its_images_boot_again_in_the_new_format(tmp_path: Path):
    """What took the old records over is on flash in the new format, and the next start finds it so."""
    old = made("constant")
    with on(old.image, tmp_path) as pump:
        Client.connect(pump.port).close()
        pump.kill()
        assert Records((tmp_path / "flash").read_bytes()).load("ledger")[4] == _TAKEN_OVER  # pyright: ignore
        pump.restart()
        with Client.connect(pump.port) as client:
            now = therapy_of(client)
            assert now["program"] == old.says["therapy"]["program"]
            assert now["resets"] == old.says["therapy"]["resets"] + 1


def of_the_future(image: bytes) -> bytes:
    """The same records as some later firmware would leave them: another storage format, and who knows what in
    it."""
    records = Records(image)
    records.save("ledger", records.ledger().record(version=FUTURE))
    number, data = records.document("fillings-1")
    records.save_document("fillings-1", number, data + b"more")
    return records.image


_DOCUMENTS = ("ledger", "boluses", "program-0", "program-1", "fillings-0", "fillings-1", "pump", "refills")


@pytest.mark.req("REC-14", "INT-04")
def test_records_of_a_later_format_stop_the_pump_and_stay_as_they_are(tmp_path: Path):
    old = made("constant")
    image = of_the_future(old.image)
    with on(image, tmp_path) as pump:
        with Client.connect(pump.port) as client:
            assert client.status().state == "unprogrammed"
            (alarm,) = client.alarms().standing
            assert (alarm.name, alarm.critical, alarm.detail) == ("records_format", True, FUTURE)
            check_log(client, old.says)
        pump.bench.advance_by(26 * 3_600_000_000)
        assert pump.bench.truth().steps == 0
        pump.kill()
        before, after = Records(image), Records((tmp_path / "flash").read_bytes())
        for name in (*_DOCUMENTS, "link-keys", "log-key"):
            assert after.load(name) == before.load(name), name
        pump.restart()
        with Client.connect(pump.port) as client:  # and still at the next start, until it is programmed
            assert [alarm.name for alarm in client.alarms().standing] == ["records_format"]
            pump.bench.press_button()
            client.commit(client.propose_program(client_program(old)).digest)
            assert not client.alarms().standing
            assert client.status().state == "infusing"


def client_program(old: Made) -> dict[str, Any]:
    program = old.says["therapy"]["program"]
    library = [{**entry, "digest": bytes.fromhex(entry["digest"])} for entry in program["library"]]
    return {**program, "library": library}


@pytest.mark.req("REC-14")
def test_an_old_program_that_this_firmware_refuses_names_the_old_format(tmp_path: Path):
    """Basal mode 200, which 0.1.0 never took: it stands for any bound that has become narrower since."""
    records = Records(made("stopped").image)
    number, data = records.document("program-1")
    mode = data.index((2_400_000).to_bytes(8, "little")) - 1
    records.save_document("program-1", number, data[:mode] + b"\xc8" + data[mode + 1 :])
    with on(records.image, tmp_path) as pump, Client.connect(pump.port) as client:
        assert client.status().state == "unprogrammed"
        assert [(alarm.name, alarm.detail) for alarm in client.alarms().standing] == [("records_format", 2)]


@pytest.mark.req("REC-13", part="keyrings of 0.1.0")
def test_a_keyring_of_0_1_0_opens_every_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = made("constant")
    folder = tmp_path / "keys"
    folder.mkdir()
    for file in (DATA / "keys").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
        (folder / file.name).chmod(0o600)
    monkeypatch.setenv("THECAL_KEYS", str(folder))
    assert {entry.role: entry.serial for entry in keyring.kept()} == dict.fromkeys(
        old.says["keys"], old.says["serial"]
    )
    assert log_keys.stored(old.says["serial"]) == bytes.fromhex(old.says["log_key"])
    (tmp_path / "flash").write_bytes(old.image)
    with Emulator(flash=tmp_path / "flash", settings={"seed": 7}, paired=False) as pump:
        for role in old.says["keys"]:
            with Client.connect(pump.port, role=role) as client:
                assert client.status().state == "infusing"


@pytest.mark.req("REC-13", part="stores of 0.1.0")
def test_a_store_of_0_1_0_is_read_and_grows(tmp_path: Path):
    path = tmp_path / "store.db"
    path.write_bytes(lzma.decompress((DATA / "store.db.xz").read_bytes()))
    raw = sqlite3.connect(path)
    was = {table: raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    raw.close()
    assert all(was.values()) or was["residuals"] == 0
    with Store.open(path) as store:
        store.add_pump("P-2", "unix", "0.2")
    raw = sqlite3.connect(path)
    now = {table: raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    raw.close()
    assert now == {**was, "pumps": was["pumps"] + 1}


TABLES = ("pumps", "logs", "records", "sessions", "programs", "residuals")
