"""A store holds one sweep: other data, rules, numbers and observers are refused by name."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import eos_jax as eos
from eos_jax import observers, rules

pytestmark = [pytest.mark.optimised, pytest.mark.slow]

AXES = {"x": [0.5, 2.0], "y": 0.3, "eta": [0.1, 0.2]}


def sweep(out, axes=AXES, **settings):
    settings = {"objective": eos.objectives.scalar_product((2, 2)), "rule": rules.heavy_ball(),
                "steps": 64, **settings}  # fmt: skip
    return eos.sweep(settings.pop("objective"), axes, settings.pop("steps"), out=out, **settings)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores") / "first"
    sweep(folder)
    return folder


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rule": rules.nesterov()}, "rule.name: heavy_ball there, nesterov now"),
        ({"rule": rules.gradient_descent()}, "rule.name: heavy_ball there, gradient_descent now"),
        ({"rule": rules.heavy_ball(0.5)}, "momentum"),
        ({"axes": {**AXES, "momentum": 0.8}}, "momentum"),
        ({"axes": {**AXES, "eta": [0.1, 0.21]}}, "axes.eta"),
        ({"observe": observers.maximum("sharpness")}, "observe"),
        ({"objective": eos.objectives.scalar_product((1, 2))}, "objective.multiplicities"),
        ({"steps": 65}, "steps: 64 there, 65 now"),
        ({"stop": None}, "stop"),
        ({"dtype": "float32"}, "dtype: float64 there, float32 now"),
    ],
)
def test_another_sweep_is_refused_with_what_differs(out, change, named):
    with pytest.raises(FileExistsError, match=named):
        sweep(out, **change)


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores") / "observed"
    sweep(folder, rule=None, observe={"peak": observers.maximum("loss")})
    return folder


@pytest.mark.parametrize(
    "change",
    [
        {"observe": {"peak": observers.maximum("sharpness")}},
        {"observe": {"peak": observers.minimum("loss")}},
        {"observe": {"other": observers.maximum("loss")}},
        {"observe": {"peak": observers.maximum("loss")}, "every": 2},
        {"observe": {"peak": observers.maximum("loss")}, "rule": optax.sgd},
    ],
)
def test_another_observer_of_one_name_is_refused(observed, change):
    with pytest.raises(FileExistsError, match="another configuration"):
        sweep(observed, **{"rule": None, **change})


def least_squares(features, targets):
    def fit(w):
        return jnp.mean((features @ w - targets) ** 2)

    return eos.objectives.from_function(fit, shapes={"w": (2,)})


def test_a_store_of_one_data_set_refuses_another(tmp_path, rng):
    features, targets = rng.normal(size=(10, 2)), rng.normal(size=10)
    axes = {"w": np.zeros(2), "eta": [0.1, 0.2]}
    first = eos.sweep(least_squares(features, targets), axes, 50, out=tmp_path / "fit")
    again = eos.sweep(least_squares(features.copy(), targets), axes, 50, out=tmp_path / "fit")
    assert first.identical(again)
    moved = targets.copy()
    moved[-1] += 1e-12
    with pytest.raises(FileExistsError, match="mathematics_sha256"):
        eos.sweep(least_squares(features, moved), axes, 50, out=tmp_path / "fit")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize("order", [("float64", "float32"), ("float32", "float64")])
def test_own_data_serve_both_precisions_in_either_order(kind, order, rng):
    """Data of either precision, sweeps in either, one after the other and again."""
    features, targets = rng.normal(size=(10, 2)).astype(kind), rng.normal(size=10).astype(kind)
    objective = least_squares(features, targets)
    best, *_ = np.linalg.lstsq(features.astype(float), targets.astype(float))
    axes = {"w": np.zeros(2), "eta": [0.1, 0.2]}
    first = {dtype: eos.sweep(objective, axes, 2000, dtype=dtype) for dtype in order}
    for dtype, found in first.items():
        assert (found.outcome == eos.Outcome.CONVERGED).all()
        reach = 1e-5 if dtype == "float64" else 1e-3
        np.testing.assert_allclose(found.w_final, np.tile(best, (2, 1)), atol=reach)
        assert eos.sweep(objective, axes, 2000, dtype=dtype).identical(found)
