"""Plug flow through tubing and catheter, against a count drop by drop."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from thecal.link.responses.pump import Accounts, DrugConcentration, Filling
from thecal.units.amounts import PL_PER_ML
from thecal.web.fluid import NO_DRUG, Fluid


def accounts(concentrations: list[int]) -> Accounts:
    fillings = tuple(
        Filling(number, 0, 1, 0, (DrugConcentration("m", ng_per_ml),))
        for number, ng_per_ml in enumerate(concentrations, 1)
    )
    return Accounts(0, 1, 0, 0, fillings, {})


@given(
    dead=st.integers(1, 20),
    pieces=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 9)), min_size=1, max_size=4),
)
def test_as_if_each_drop_were_followed(dead: int, pieces: list[tuple[int, int]]):
    """`pieces`: of each filling what is pumped of it, and its concentration."""
    fluid = Fluid(dead)
    drops: list[int] = []  # the number of the filling of each pL, in the order in which they went in
    strengths = [strength * PL_PER_ML for _, strength in pieces]
    for number, (volume, _) in enumerate(pieces, 1):
        fluid.note(accounts(strengths[:number]), len(drops))
        drops += [number] * volume
    out = drops[: max(0, len(drops) - dead)]
    assert fluid.tip_ng(len(drops)).get("m", 0) == sum(pieces[number - 1][1] for number in out)
    assert fluid.pumped_ng(len(drops)).get("m", 0) == sum(pieces[number - 1][1] for number in drops)
    inside = ([NO_DRUG] * dead + drops)[-dead:][::-1]  # from the pump to the tip
    parts = fluid.parts(len(drops))
    assert parts[0][1] == 0
    assert parts[-1][2] == 1
    for number, a, b in parts:
        assert inside.count(number) == (b - a) * dead
    assert [number for number, _, _ in parts] == list(dict.fromkeys(inside))
    assert sum((b - a for _, a, b in parts), Fraction(0)) == 1
