"""The lowest basal flow is the board's own: what its motor holds evenly."""

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

FLOOR_PL = 10_000_000  # 0.01 mL/day


@pytest.mark.req("DEL-06")
def test_a_board_with_another_floor():
    settings: dict[str, int | str] = {"floor_pl_per_day": FLOOR_PL}
    with Emulator(seed=1, settings=settings) as pump, Client.connect(pump.port) as client:
        assert [x.low for x in client.limits() if x.name == "basal_rate_pl_per_day"] == [FLOOR_PL]
        lowest = rig.therapy(basal_dose_ng_per_day=200_000)  # at 20 mg/mL
        with pytest.raises(Refused, match="basal"):
            client.propose_program(dict(lowest, basal_dose_ng_per_day=199_999))
        client.commit(client.propose_program(lowest).digest)
        pump.bench.advance_by(86_400_000_000)
        assert client.status().steps == FLOOR_PL // 2500


@pytest.mark.req("DEL-08")
def test_the_minimum_rate_is_the_boards_floor():
    settings: dict[str, int | str] = {"floor_pl_per_day": FLOOR_PL}
    with Emulator(seed=1, settings=settings) as pump, Client.connect(pump.port) as client:
        minimum = rig.therapy(basal_mode=3, basal_dose_ng_per_day=0)
        client.commit(client.propose_program(minimum).digest)
        pump.bench.advance_by(86_400_000_000)
        assert client.status().steps == FLOOR_PL // 2500
