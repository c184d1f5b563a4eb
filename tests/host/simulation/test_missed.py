"""What was driven and not seen to move, beside what counts as given: exact per drug, over everything."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from host.cli.conftest import MORPHINE, Thecal, quick_thecal  # noqa: F401
from support.pressing import presser
from thecal.commands.delivered import Ledger
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import replacing
from thecal.therapy.load import parse_therapy

TEXT = MORPHINE.read_text()
MINUTE_US = 60_000_000
SECOND = '[[drug]]\nname = "bupivacaine"\nconcentration = "5 mg/mL"\n\n[basal]'


def commit(client: Client, text: str) -> None:
    therapy, running = parse_therapy(text), client.running_program()
    client.commit(client.propose_program(to_wire(replacing(therapy, running) if running else therapy)).digest)


def ledger_of(client: Client) -> Ledger:
    ledger = Ledger()
    ledger.take(client.accounts())
    return ledger


class Bench:
    """A pump, and by the bench's truth what of which drug really moved and did not."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.steps = 0
        self.missed: dict[str, Fraction] = {}
        self.missed_pl = 0

    def stall(self, seconds: int, per_step_ng: dict[str, Fraction], step_pl: int = 2500, dose: bool = True):
        """It stands for so long; everything driven meanwhile is missed."""
        with Client.connect(self.emulator.port) as client:
            before, made = client.status().steps, self.emulator.bench.truth().steps
        self.emulator.bench.motor_stall(seconds * 1_000_000)
        self.emulator.bench.advance_by(seconds * 1_000_000 + 10 * MINUTE_US)
        with Client.connect(self.emulator.port) as client:
            driven = client.status().steps - before
        lost = driven - (self.emulator.bench.truth().steps - made)
        assert lost > 16
        self.missed_pl += lost * step_pl
        for name, ng in per_step_ng.items():
            self.missed[name] = self.missed.get(name, Fraction(0)) + (lost * ng if dose else 0)

    def check(self) -> None:
        with Client.connect(self.emulator.port) as client:
            ledger = ledger_of(client)
            assert client.status().missed_pl == self.missed_pl
        assert ledger.missed_pl == self.missed_pl
        assert {x: ng for x, ng in (ledger.missed_ng or {}).items() if ng} == self.missed


@pytest.mark.req("RES-06", part="over stalls, another step volume, refills, programs and a reset")
def test_what_was_missed_is_exact_for_each_drug(tmp_path: Path):
    flash = tmp_path / "flash"
    with Emulator(seed=1, flash=flash) as emulator:
        bench = Bench(emulator)
        with Client.connect(emulator.port) as client:
            commit(client, TEXT)
        bench.check()
        bench.stall(1800, {"morphine": Fraction(50)})
        bench.check()
        with Client.connect(emulator.port) as client:  # the same drug in smaller steps
            client.button = presser(emulator)
            commit(client, TEXT.replace('"2.5 nL"', '"2 nL"'))
        bench.stall(900, {"morphine": Fraction(40)}, 2000)
        bench.check()
        with Client.connect(
            emulator.port
        ) as client:  # filled in, and the program comes later: a stall between
            client.commit(client.propose_refill(40 * 10**9, 39 * 10**9).digest)
            assert client.reservoir().missed_pl == 0
        bench.stall(900, {"morphine": Fraction(20), "bupivacaine": Fraction(10)}, 2000)
        with Client.connect(emulator.port) as client:
            assert client.reservoir().missed_pl == (client.status().missed_pl or 0) - _until_refill(bench)
            client.button = presser(emulator)
            half = TEXT.replace('"2.5 nL"', '"2 nL"').replace('"20 mg/mL"', '"10 mg/mL"')
            commit(client, half.replace("[basal]", SECOND, 1))
        bench.check()
        bench.stall(600, {"morphine": Fraction(20), "bupivacaine": Fraction(10)}, 2000)
        bench.check()
        before = dict(bench.missed)
    # and on flash, where the stall's end was saved
    with Emulator(seed=1, flash=flash) as emulator, Client.connect(emulator.port) as client:
        found = ledger_of(client)
        assert (found.missed_ng, found.missed_pl) == (before, bench.missed_pl)


def _until_refill(bench: Bench) -> int:
    """Missed before the refill: all but the last stall's."""
    last = bench.missed["bupivacaine"] / 10 * 2000
    return bench.missed_pl - int(last)


@pytest.mark.req("RES-06", part="a prime is no dose")
def test_what_a_prime_missed_is_volume_and_no_dose():
    with Emulator(seed=1) as emulator, Client.connect(emulator.port) as client:
        commit(client, TEXT)
        client.button = presser(emulator)
        client.set_implant_flag()
        client.commit(client.propose_prime(dry=True).digest)
        emulator.bench.advance_by(MINUTE_US)
        steps, made = client.status().steps, emulator.bench.truth().steps
        emulator.bench.motor_stall(500_000)  # a few steps of the prime, no stall yet
        emulator.bench.advance_by(2 * MINUTE_US)
        lost = (client.status().steps - steps) - (emulator.bench.truth().steps - made)
        assert lost > 0
        found = ledger_of(client)
        assert (found.missed_pl, found.missed_ng) == (lost * 2500, {"morphine": Fraction(0)})
        emulator.bench.advance_by(60 * MINUTE_US)
        found = ledger_of(client)
        assert (found.missed_pl, found.missed_ng) == (lost * 2500, {"morphine": Fraction(0)})


@pytest.mark.req("RES-06", part="status, report and refill check")
def test_a_stall_is_told_wherever_delivered_is(quick_thecal: Thecal, tmp_path: Path):  # noqa: F811
    with Emulator(seed=1) as emulator:
        with Client.connect(emulator.port) as client:
            commit(client, TEXT)
        assert "missed" not in quick_thecal("status", port=emulator.port).out
        bench = Bench(emulator)
        bench.stall(1800, {"morphine": Fraction(50)})
        seen = json.loads(quick_thecal("status", "--json", port=emulator.port).out)
        assert Fraction(seen["missed_nl"]) == Fraction(bench.missed_pl, 1000)
        assert {name: Fraction(ng) for name, ng in seen["missed_ng"].items()} == bench.missed
        assert "was not seen to move" in quick_thecal("status", port=emulator.port).out
        said = quick_thecal(
            "refill", "--volume", "40 mL", "--residual", "39 mL", port=emulator.port, stdin="n\n"
        )
        assert "was driven and not seen to move (a stall)" in said.out
        made = quick_thecal("report", "--out", tmp_path / "r.html", port=emulator.port)
        assert made.code == 0, made.err
        assert "of it not seen to move" in (tmp_path / "r.html").read_text()


@pytest.mark.req("RES-06", part="a board without feedback does not say 0")
def test_without_feedback_nobody_knows(quick_thecal: Thecal):  # noqa: F811
    with Emulator(settings={"seed": 1, "feedback": 0}) as emulator:
        with Client.connect(emulator.port) as client:
            commit(client, TEXT)
            emulator.bench.motor_stall(600_000_000)
            emulator.bench.advance_by(20 * MINUTE_US)
            assert client.status().missed_pl is None
            assert client.reservoir().missed_pl is None
            assert (ledger_of(client).missed_pl, ledger_of(client).missed_ng) == (None, None)
        seen = json.loads(quick_thecal("status", "--json", port=emulator.port).out)
        assert (seen["missed_nl"], seen["missed_ng"]) == (None, None)
        assert "not known: the board has no feedback" in quick_thecal("status", port=emulator.port).out


@pytest.mark.req("RES-06", part="in simulate, since time zero")
def test_simulate_tells_it(quick_thecal: Thecal, tmp_path: Path):  # noqa: F811
    events = tmp_path / "events.toml"
    events.write_text('[[event]]\nat = "2h"\ninject = "motor_stall"\nfor = "10min"\n')
    found = json.loads(quick_thecal("simulate", MORPHINE, "--for", "4h", "--events", events, "--json").out)
    lost = found["accounted_steps"] - found["steps"]
    assert lost > 16
    assert Fraction(found["missed_nl"]) == Fraction(lost * 5, 2)
    assert Fraction(found["missed_ng"]["morphine"]) == lost * 50


def test_five_drugs_have_their_sources_on_a_page_of_their_own():
    drugs = "".join(
        f'[[drug]]\nname = "drug-with-name{i}"\nconcentration = "1 mg/mL"\n\n' for i in range(2, 6)
    )
    with Emulator(seed=1) as emulator, Client.connect(emulator.port) as client:
        commit(client, TEXT.replace("[basal]", drugs + "[basal]", 1))
        emulator.bench.advance_by(60 * MINUTE_US)
        accounts = client.accounts()
        assert len(accounts.fillings[0].drugs) == 5
        assert accounts.volume_pl_by_source["basal"] == accounts.steps * 2500
