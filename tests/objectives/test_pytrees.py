"""Nested parameters: names by path, trees and back, flax and equinox models against by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.objectives import flatten, from_pytree, unflatten

LIKE = {"layers": [{"weight": np.zeros((2, 3)), "bias": np.zeros(2)}], "power": 2, "scale": 0.5}


def loss(tree, X):
    (layer,) = tree["layers"]
    return tree["scale"] * jnp.sum((X @ layer["weight"].T + layer["bias"]) ** tree["power"])


def test_floating_arrays_are_parameters_and_the_rest_is_held(rng):
    X = rng.normal(size=(4, 3))
    obj = from_pytree(loss, LIKE, data={"X": X})
    assert obj.parameters == ("layers_0_bias", "layers_0_weight")
    assert obj.shapes == ((2,), (2, 3)) and obj.name == "loss"
    W, b = rng.normal(size=(2, 3)), rng.normal(size=2)
    params = {"layers_0_weight": W, "layers_0_bias": b}
    residual = X @ W.T + b
    np.testing.assert_allclose(eos.loss(obj, params), 0.5 * np.sum(residual**2), rtol=1e-13)
    slope = eos.gradient(obj, params)
    np.testing.assert_allclose(slope["layers_0_weight"], residual.T @ X, rtol=1e-12)
    np.testing.assert_allclose(slope["layers_0_bias"], residual.sum(axis=0), rtol=1e-12)


def test_trees_and_back_with_lanes(rng):
    obj = from_pytree(loss, LIKE, data={"X": np.eye(3)})
    lanes = {
        "layers_0_weight": rng.normal(size=(5, 2, 3)),
        "layers_0_bias": rng.normal(size=(5, 2)),
    }
    tree = unflatten(obj, lanes)
    assert tree["power"] == 2 and tree["scale"] == 0.5
    assert tree["layers"][0]["weight"] is lanes["layers_0_weight"]
    back = flatten(obj, tree)
    assert set(back) == set(lanes) and all(back[name] is lanes[name] for name in lanes)
    assert eos.loss(obj, back).shape == (5,)


def test_a_mean_over_lanes_is_the_mean_of_single_trees(rng):
    obj = from_pytree(loss, LIKE, data={"X": np.eye(3)})
    lanes = {
        "layers_0_weight": rng.normal(size=(5, 2, 3)),
        "layers_0_bias": rng.normal(size=(5, 2)),
    }
    one = [loss(unflatten(obj, {n: v[i] for n, v in lanes.items()}), np.eye(3)) for i in range(5)]
    np.testing.assert_allclose(eos.loss(obj, lanes), one, rtol=1e-13)


def test_names_are_identifiers_and_differ():
    like = {"a b": [1.0 * np.ones(1)], "a_b_0": np.ones(1), "class": np.ones(1), "é": np.ones(1)}
    obj = from_pytree(lambda tree: sum(v.sum() for v in jax.tree.leaves(tree)), like)
    assert all(name.isidentifier() for name in obj.parameters)
    assert set(obj.parameters) == {"a_b_0", "a_b_0_2", "leaf_class", "é"}
    alone = from_pytree(lambda array: array**2, np.zeros(()))
    assert alone.parameters == ("leaf",)


def test_equal_ones_are_one_object_and_held_values_count():
    make = lambda like: from_pytree(loss, like, data={"X": np.eye(3)})  # noqa: E731
    obj = make(LIKE)
    assert make({**LIKE, "scale": 0.5}) is obj
    assert make({**LIKE, "scale": 0.25}) is not obj
    unused = {**LIKE, "label": 1}
    assert unflatten(make(unused), dict.fromkeys(obj.parameters, 0.0))["label"] == 1
    other = make({**unused, "label": 2})
    assert unflatten(other, dict.fromkeys(obj.parameters, 0.0))["label"] == 2


def test_what_does_not_fit_is_refused():
    obj = from_pytree(loss, LIKE, data={"X": np.eye(3)})
    with pytest.raises(ValueError, match=r"`like` must have floating arrays .* int"):
        from_pytree(lambda tree: 1.0, {"a": 1})
    with pytest.raises(ValueError, match="`tree` must have the structure"):
        flatten(obj, {"layers": []})
    with pytest.raises(ValueError, match="`params` must give the parameters"):
        unflatten(obj, {"layers_0_bias": 0.0})
    with pytest.raises(ValueError, match="must be made with `from_pytree`"):
        flatten(eos.objectives.scalar_product(2), {})


def two_layers(X, W1, b1, W2, b2):
    return np.tanh(X @ W1 + b1) @ W2 + b2


@pytest.mark.parametrize("double", [True, False])
def test_flax(double, rng):
    nn = pytest.importorskip("flax.linen")

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            hidden = nn.tanh(nn.Dense(4)(x))
            return nn.Dense(1)(hidden)

    model = Network()
    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    with jax.enable_x64(False):
        like = model.init(jax.random.key(0), np.zeros((1, 3), np.float32))
    obj = from_pytree(
        lambda params, X, y: jnp.mean((model.apply(params, X) - y) ** 2), like, {"X": X, "y": y}
    )
    assert obj.parameters == tuple(
        f"params_Dense_{i}_{kind}" for i in (0, 1) for kind in ("bias", "kernel")
    )
    dtype = np.float64 if double else np.float32
    point = {n: rng.normal(size=s).astype(dtype) for n, s in zip(obj.parameters, obj.shapes)}
    layers = [point[f"params_Dense_{i}_{kind}"] for i in (0, 1) for kind in ("kernel", "bias")]
    with jax.enable_x64(double):
        found = eos.loss(obj, point)
    assert found.dtype == dtype
    want = np.mean((two_layers(X, *layers) - y) ** 2)
    np.testing.assert_allclose(found, want, rtol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("double", [True, False])
def test_equinox(double, rng):
    eqx = pytest.importorskip("equinox")
    with jax.enable_x64(False):
        model = eqx.nn.MLP(3, 1, 4, 1, activation=jnp.tanh, key=jax.random.key(0))
    arrays, static = eqx.partition(model, eqx.is_inexact_array)
    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))

    def of_model(model, X, y):
        return jnp.mean((jax.vmap(model)(X) - y) ** 2)

    def of_arrays(arrays, X, y):
        return of_model(eqx.combine(arrays, static), X, y)

    dtype = np.float64 if double else np.float32
    for function, like in ((of_arrays, arrays), (of_model, model)):
        obj = from_pytree(function, like, data={"X": X, "y": y})
        assert obj.parameters == tuple(
            f"layers_{i}_{kind}" for i in (0, 1) for kind in ("weight", "bias")
        )
        point = {n: rng.normal(size=s).astype(dtype) for n, s in zip(obj.parameters, obj.shapes)}
        layers = [point[f"layers_{i}_{kind}"].T for i in (0, 1) for kind in ("weight", "bias")]
        with jax.enable_x64(double):
            found = eos.loss(obj, point)
        assert found.dtype == dtype
        want = np.mean((two_layers(X, *layers) - y) ** 2)
        np.testing.assert_allclose(found, want, rtol=100 * np.finfo(dtype).eps)
        assert flatten(obj, like)["layers_0_weight"].shape == (4, 3)
