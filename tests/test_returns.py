"""Outcomes 3 and 4, and the variable `period`: cycles found after the horizon, gone round twice."""

import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import own_map
from eos_jax.outcomes import Outcome

BALANCED = eos.objectives.scalar_product((4,))
CASES = {
    0.4: (Outcome.CONVERGED, 1),
    0.5: (Outcome.UNDECIDED, 0),  # the flip itself: it approaches its minimum like 1/sqrt(t)
    0.55: (Outcome.PERIODIC, 2),
    0.6235: (Outcome.UNDECIDED, 0),  # still winding onto its 2-cycle, and closer to 4 steps later
    0.64: (Outcome.PERIODIC, 4),
    0.656: (Outcome.PERIODIC, 8),
    0.659: (Outcome.PERIODIC, 16),
    0.69: (Outcome.APERIODIC, 0),
    0.8: (Outcome.APERIODIC, 0),
    1.4: (Outcome.DIVERGED, -1),
}  # between the doublings 0.5, 0.6236, 0.6521, 0.6582, 0.65956, ..., and beyond them
"""Step size, fate and period of four balanced scalars."""


def axes(*etas):
    return {"x": 0.9, "eta": np.array(etas)}


@pytest.fixture(scope="module")
def decided():
    return eos.sweep(BALANCED, axes(*CASES), 20_000, stop=eos.Stop(longest_period=64))


def test_fates_and_periods_are_those_between_the_doublings(decided):
    found = list(
        zip(decided.outcome.values.ravel().tolist(), decided.period.values.ravel().tolist())
    )
    assert found == [(int(fate), period) for fate, period in CASES.values()]


def test_what_is_not_asked_for_changes_nothing(decided):
    plain = eos.sweep(BALANCED, axes(*CASES), 20_000)
    assert "period" not in plain
    for name in ("steps", "loss", "sharpness", "x_final"):
        assert plain[name].values.tobytes() == decided[name].values.tobytes(), name
    same = decided.outcome.values < 3
    assert (plain.outcome.values == decided.outcome.values)[same].all()
    assert (plain.outcome.values == Outcome.UNDECIDED)[~same].all()


def test_the_longest_period_is_a_setting():
    """A cycle longer than that is undecided: neighbours come together."""
    found = eos.sweep(BALANCED, axes(0.64, 0.656), 20_000, stop=eos.Stop(longest_period=7))
    assert found.period.values.ravel().tolist() == [4, 0]
    assert found.outcome.values.ravel().tolist() == [Outcome.PERIODIC, Outcome.UNDECIDED]


def test_single_precision_finds_the_same_but_the_faintest():
    etas = [eta for eta in CASES if eta not in (0.5, 0.6235, 0.659)]
    found = eos.sweep(BALANCED, axes(*etas), 20_000, stop=eos.Stop(longest_period=64),
                      keep=["period"], dtype="float32")  # fmt: skip
    assert found.period.values.ravel().tolist() == [CASES[eta][1] for eta in etas]


def drifting(x, y, r):
    return x + 0.1, r * y * (1 - y)


def test_a_measure_may_return_where_parameters_drift():
    system = own_map(drifting, ["x", "y"])
    start = {"x": 0.0, "y": 0.3, "r": [2.8, 3.2, 3.5, 4.0]}
    found = {}
    for of in (None, "y"):
        stop = eos.Stop(longest_period=8, period_of=of)
        ds = eos.sweep(system.objective, start, 3000, rule=system.rule, stop=stop, sharpness=None)
        found[of] = ds.period.values.ravel().tolist()
    assert found == {None: [0, 0, 0, 0], "y": [1, 2, 4, 0]}


def test_periods_that_cannot_be_meant():
    with pytest.raises(ValueError, match="`longest_period` must be an integer of at least 0"):
        eos.sweep(BALANCED, axes(0.5), 10, stop=eos.Stop(longest_period=-1))
