"""What a rounding decides: escape from chaos, whose law is known, and the map of Fig. 7a."""

import math

import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import logistic, trust
from eos_jax.analysis.trust import in_words
from eos_jax.loops import llvm

R = 4.00001
"""Just beyond full chaos, where orbits leave through a small gap at 1/2."""


@pytest.fixture(scope="module")
def leaving(tmp_path_factory):
    out = tmp_path_factory.mktemp("store") / "trust"
    starts = np.random.default_rng(5).uniform(0.01, 0.99, 4000)
    return trust(logistic(), {"x": starts, "r": R}, 700, sharpness=None, by=("ulp", "engine"),
                 also=("float32", "horizon"), exponent=True, every=10, out=out), out  # fmt: skip


def fates_by_hand(x, steps):
    """Whether orbits have left, by NumPy: no sum follows a product, so the bits are the same."""
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            x = R * x * (1 - x)
    return ~(np.abs(x) < 1e6)


def test_fates_in_chaos_are_those_of_the_rounding(leaving):
    """Orbits leave at a rate of (4/pi) sqrt(1/4 - 1/r); an ulp further every second fate changes,
    but where the first steps round both starts to one point.
    """
    ds, _ = leaving
    left = float((ds.outcome == eos.Outcome.DIVERGED).mean())
    rate = 4 / math.pi * math.sqrt(1 / 4 - 1 / R)
    assert abs(left - (1 - math.exp(-700 * rate))) < 0.03
    starts = ds.x.values
    flipped = fates_by_hand(starts, 700) != fates_by_hand(np.nextafter(starts, 2), 700)
    assert (ds.changed_ulp.values == flipped).all() and 0.25 < flipped.mean() < 0.5
    assert abs(ds.attrs["changed_float32_share"] - 2 * left * (1 - left)) < 0.05
    if llvm.ready():  # else there is one engine only
        assert ds.attrs["changed_engine_share"] == 0  # nothing there to contract
    assert abs(ds.attrs["changed_horizon_share"] - left * (1 - left)) < 0.03
    assert ((ds.trusted == 0) == (ds.changed_ulp == 1)).all()
    assert ds.attrs["trusted_share"] == float(ds.trusted.mean())


def test_how_many_steps_can_be_foretold(leaving):
    """Neighbours double their distance at every step: 52 steps to lose 52 digits."""
    ds, out = leaving
    stayed = ds.where(ds.outcome == eos.Outcome.UNDECIDED, drop=True)
    assert abs(float(stayed.exponent.median()) - math.log(2)) < 0.01
    assert abs(float(stayed.predictable_steps.median()) - 52) < 2
    assert eos.open(out).attrs["trust"] == ds.attrs["trust"]
    assert (out.parent / "trust.parts" / "ulp").is_dir()


def test_figure_7a_can_be_trusted():
    side = np.linspace(0, 0.4, 96)
    ds = trust(eos.objectives.scalar_product((2, 2)), {"x": 3 + side, "y": 0.1 + side, "eta": 0.2},
               3000, keep=(), by=("ulp", "horizon"), also=())  # fmt: skip
    assert ds.attrs["trusted_share"] > 0.999 and ds.attrs["trust"].endswith("(ulp, horizon)")


def test_entries_with_axes_of_their_own_are_moved_too():
    """Along a valley nothing moves: a start at the escape radius converges, one ulp further it has
    left.
    """
    objective = eos.objectives.from_function(
        lambda w: w[0] ** 2 / 2, shapes={"w": (2,)}, name="valley", floor=0.0
    )
    axes = {"w": [0.5, 9.0], "w_at_1": [1e6, 0.3], "eta": 0.1}
    found = trust(objective, axes, 3000, by=("ulp",), also=())
    assert found.outcome.values.tolist() == [eos.Outcome.CONVERGED] * 2
    assert found.changed_ulp.values.tolist() == [1, 0]


def test_what_is_said_and_what_cannot_be_meant():
    assert in_words(1.0, ["ulp"]) == "trusted: 100 % of lanes (ulp)"
    assert in_words(0.98765, ["ulp"]) == "trusted: 98.77 % of lanes (ulp)"
    assert in_words(1 - 1e-9, ["ulp"]).startswith("trusted: more than 99.9999 %")
    with pytest.raises(ValueError, match="`by` must be one of ulp"):
        trust(logistic(), {"x": 0.3, "r": 3.0}, 10, by=("luck",), sharpness=None)
