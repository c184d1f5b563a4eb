"""A new flash may come with keys, as from a factory; nothing else about the pump is different."""

from pathlib import Path

import pytest

from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PowerCut
from thecal.link.client import Client
from thecal_protocol.roles import ROLES

OPERATIONS = 7  # that format the flash and write the keys


def test_every_role_has_a_key_and_nobody_has_pressed_or_paired():
    with Emulator(seed=1) as pump:
        for _, role in ROLES:
            with Client.connect(pump.port, role=role) as client:
                client.status()
        with Client.connect(pump.port) as client:
            assert not [event for event in client.events() if event.kind in ("pairing_begun", "paired")]
        assert pump.bench.truth().presses == 0
        assert len({pump.key(role) for role in range(1, 5)}) == 4


def test_the_keys_are_made_from_the_seed():
    def keys(seed: int | None) -> list[bytes | None]:
        with Emulator(seed=seed) as pump:
            return [pump.key(role) for role in range(1, 5)]

    assert keys(1) == keys(1) != keys(2)
    assert keys(None) != keys(None)


@pytest.mark.parametrize("first", [False, True])
def test_a_flash_that_is_not_new_stays_as_it_is(tmp_path: Path, first: bool):
    flash = tmp_path / "flash"
    with Emulator(seed=1, flash=flash, provisioned=first) as pump:
        before = pump.bench.document("link-keys")
        assert (before is not None) is first
    with Emulator(seed=2, flash=flash) as pump:
        assert pump.bench.document("link-keys") == before


def test_a_cut_amid_it_leaves_a_pump_of_the_same_number_that_can_be_paired(tmp_path: Path):
    with Emulator(seed=1) as pump:
        number = pump.serial_number
    written: list[bool] = []
    for operation in range(1, OPERATIONS + 1):
        flash = tmp_path / str(operation)
        cut = Emulator(seed=1, flash=flash, settings={"power_cut": f"{operation}:after:0"})
        with pytest.raises(PowerCut):
            cut.start()
        with Emulator(seed=1, flash=flash) as pump:
            written.append(pump.bench.document("link-keys") is not None)
            with Client.connect(pump.port) as client:
                assert client.status().state == "unprogrammed"
            assert pump.serial_number == number
    assert written[-1]
    assert not written[-2]
