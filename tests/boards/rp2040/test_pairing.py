"""A new chip and a host agree on a key while somebody presses the button (SEC-07)."""

import pytest

from boards.rp2040.chip import Chip, on_chip
from boards.rp2040.link import client_on


@pytest.mark.timeout(3000)
@pytest.mark.req("SEC-07", part="pairing by the button of the emulated chip")
def test_pairing_by_the_button(image):
    chip = Chip(image, on_chip("serial=uart0\nproduction=1\n"))
    chip.wire_up()
    keys: dict[int, bytes] = {}
    with client_on(chip, keys) as client:
        assert len(keys) == 1
        assert client.status().steps == 0
    with client_on(chip, keys) as client:  # and the pump has kept it
        assert client.hello().model == "thecal-rp2040"
