"""What every registered objective must satisfy; a new family is picked up from the registry.

Each family brings `examples`, settings of objectives that are tried here at random points.
"""

from dataclasses import replace

import jax
import numpy as np
import pytest

import eos_jax as eos
from eos_jax.objectives import lift, registry

pytestmark = pytest.mark.slow

SIZES = ("scalar_product", "quadratic_regression", "uv_model")
"""Families whose examples are one formula in several sizes: two in every run, all in long ones."""

CASES = [
    pytest.param(
        family.make,
        settings,
        id=f"{name}({settings})",
        marks=pytest.mark.long if name in SIZES and number > 1 else (),
    )
    for name, family in sorted(registry.items())
    for number, settings in enumerate(family.examples)
]
every_objective = pytest.mark.parametrize(("make", "settings"), CASES)
one_of_each_family = pytest.mark.parametrize(  # where compiling takes seconds
    ("make", "settings"),
    [(family.make, family.examples[0]) for _, family in sorted(registry.items())],
    ids=sorted(registry),
)
DTYPES = (np.float32, np.float64)


def points(obj, lanes=(), dtype=np.float64, seed=0):
    generator = np.random.default_rng(seed)
    return {
        name: np.asarray(generator.uniform(0.4, 1.4, lanes + shape), dtype)
        for name, shape in zip(obj.parameters, obj.shapes)
    }


def test_every_family_has_examples():
    assert registry
    for name, family in registry.items():
        assert family.examples, name


@every_objective
def test_names_copies_and_shapes_fit(make, settings):
    obj = make(**settings)
    assert len(obj.parameters) == len(obj.copies) == len(obj.shapes)
    assert len(set(obj.parameters)) == len(obj.parameters)
    assert all(name.isidentifier() for name in obj.parameters)
    assert all(count >= 1 for count in obj.copies)
    assert obj.name in registry and obj.name in repr(obj)
    assert make(**settings) is obj  # so that compiled programs are found again
    assert eos.objectives.make(obj.name, **obj.settings) is obj  # as a configuration makes it
    assert obj.floor is None or np.isfinite(obj.floor)  # None where the loss has none


@every_objective
def test_it_compiles_maps_and_follows_the_dtype(make, settings):
    obj = make(**settings)
    for dtype in DTYPES:
        with jax.enable_x64(dtype == np.float64):
            lanes = points(obj, (5,), dtype)
            value = lambda p: obj.full_loss(lift(obj, p))  # noqa: E731
            single, mapped = jax.jit(value), jax.jit(jax.vmap(value))(lanes)
            assert mapped.shape == (5,) and mapped.dtype == dtype
            slopes = jax.jit(lambda p: eos.gradient(obj, p))(lanes)
            for name, shape in zip(obj.parameters, obj.shapes):
                assert slopes[name].shape == (5, *shape) and slopes[name].dtype == dtype
            # one at a time is the same up to the order of some sums
            singles = [single({n: v[i] for n, v in lanes.items()}) for i in range(5)]
            np.testing.assert_allclose(mapped, singles, rtol=100 * np.finfo(dtype).eps, atol=1e-7)


@every_objective
def test_a_batch_of_one_is_the_single_point(make, settings, x64):
    obj = make(**settings)
    point = points(obj)
    batch = {name: value[None] for name, value in point.items()}
    one, many = (
        jax.jit(lambda p: (eos.loss(obj, p), eos.gradient(obj, p)))(p) for p in (point, batch)
    )
    np.testing.assert_allclose(many[0][0], one[0], rtol=1e-13, atol=1e-15)
    for name in obj.parameters:
        np.testing.assert_allclose(many[1][name][0], one[1][name], rtol=1e-11, atol=1e-13)


@every_objective
def test_it_is_traced_once(make, settings):
    """Equal shapes never trace the loss again, whatever the values."""
    obj = make(**settings)
    traces = []

    def counted(full):
        traces.append(1)
        return obj.full_loss(full)

    counting = replace(obj, full_loss=counted)
    compiled = jax.jit(lambda p: eos.loss(counting, p))
    for seed in range(3):
        compiled(points(obj, (4,), np.float32, seed))
    assert len(traces) == 1


@every_objective
def test_the_gradient_is_that_of_one_copy_in_the_full_space(make, settings, x64):
    """Against finite differences of the full loss, one copy moved and the others held."""
    obj = make(**settings)
    point = points(obj, seed=1)
    slopes = jax.jit(lambda p: eos.gradient(obj, p))(point)
    full_loss, step = jax.jit(obj.full_loss), 1e-5

    def moved(name, copy, index, by):
        full = {n: [np.array(v) for v in copies] for n, copies in lift(obj, point).items()}
        full[name][copy][index] += by
        return float(full_loss({n: tuple(copies) for n, copies in full.items()}))

    scale = 1 + abs(float(eos.loss(obj, point)))
    for name, copies, shape in zip(obj.parameters, obj.copies, obj.shapes):
        for index in list(np.ndindex(shape))[:6]:
            for copy in {0, copies - 1}:  # the first and the last copy: all are alike
                up, down = (moved(name, copy, index, by) for by in (step, -step))
                # the differences' own error: a third derivative times step^2, rounding / step
                assert float(slopes[name][index]) == pytest.approx(
                    (up - down) / (2 * step), rel=1e-6, abs=1e-8 * scale
                )


@every_objective
def test_the_hessian_is_symmetric_and_has_the_eigenvalues_claimed(make, settings, x64):
    obj = make(**settings)
    lanes = points(obj, (4,), seed=2)
    dense = np.asarray(jax.jit(lambda p: eos.hessian(obj, p))(lanes))
    size = sum(c * int(np.prod(s)) for c, s in zip(obj.copies, obj.shapes))
    assert dense.shape == (4, size, size)
    np.testing.assert_allclose(dense, dense.swapaxes(1, 2), rtol=1e-10, atol=1e-12)
    if obj.eigenvalues is not None:
        want = np.linalg.eigvalsh(dense)
        closed = np.stack(jax.vmap(obj.eigenvalues)(lanes), axis=-1)
        assert closed.shape == want.shape
        assert (np.abs(np.sort(closed) - want) <= 1e-11 * np.abs(want).max()).all()


@one_of_each_family
def test_the_sharpness_is_the_largest_eigenvalue(make, settings, x64):
    obj = make(**settings)
    lanes = points(obj, (4,), seed=2)
    want = np.linalg.eigvalsh(jax.jit(lambda p: eos.hessian(obj, p))(lanes))
    error = np.abs(eos.sharpness(obj, lanes) - want[:, -1])
    assert (error <= 1e-12 * np.abs(want).max(axis=1)).all()


@every_objective
def test_the_loss_is_nowhere_below_its_floor(make, settings, x64):
    obj = make(**settings)
    if obj.floor is None:
        pytest.skip("its floor is not known")
    generator, value = np.random.default_rng(3), jax.jit(lambda p: eos.loss(obj, p))
    for scale in (0.1, 1.0, 3.0):
        lanes = {
            name: generator.normal(0, scale, (200, *shape))
            for name, shape in zip(obj.parameters, obj.shapes)
        }
        values = np.asarray(value(lanes))
        assert (values >= obj.floor - 1e-12 * (1 + abs(obj.floor))).all()


@every_objective
def test_the_loss_on_its_own_data_is_the_loss(make, settings, x64):
    obj = make(**settings)
    if obj.loss_with_data is None:
        pytest.skip("its loss takes no data")
    full = lift(obj, {name: jax.numpy.asarray(value) for name, value in points(obj).items()})
    assert obj.data
    np.testing.assert_array_equal(obj.loss_with_data(full, obj.data), obj.full_loss(full))


@every_objective
def test_a_small_step_goes_down(make, settings, x64):
    """x - eta g with a tiny eta lowers the loss by eta times the squared full-space gradient."""
    obj = make(**settings)
    point, eta = points(obj, seed=4), 1e-7
    value = jax.jit(lambda p: eos.loss(obj, p))
    slopes = jax.jit(lambda p: eos.gradient(obj, p))(point)
    square = sum(c * float(np.sum(slopes[n] ** 2)) for n, c in zip(obj.parameters, obj.copies))
    end = jax.jit(lambda p: eos.simulate(obj, p, eta, 1))(point)
    fallen = float(value(point) - value(end))
    # relative to it the second order is eta times a curvature, some hundreds at most
    rounding = 1e-15 * (1 + abs(float(value(point))))
    assert fallen == pytest.approx(eta * square, rel=1e-4, abs=rounding)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        pytest.param(
            family.make,
            family.examples[0],
            # a network is swept by others too, and compiles for long
            marks=pytest.mark.long if name == "fully_connected" else [],
        )
        for name, family in sorted(registry.items())
    ],
    ids=sorted(registry),
)
def test_it_can_be_swept(make, settings):
    obj = make(**settings)
    found = eos.sweep(obj, {**points(obj), "eta": [1e-3, 2e-3]}, 40)
    assert found.outcome.dims == ("eta",)
    assert np.isin(found.outcome, [1, 2, 5]).all()
    for name, shape in zip(obj.parameters, obj.shapes):
        assert found[f"{name}_final"].shape == (2, *shape)
    with jax.enable_x64(True):
        for k, eta in enumerate((1e-3, 2e-3)):
            if found.outcome[k] == eos.Outcome.UNDECIDED:
                end = eos.simulate(obj, points(obj), eta, 40)
                for name in obj.parameters:
                    np.testing.assert_allclose(
                        found[f"{name}_final"][k], end[name], rtol=1e-9, atol=1e-12
                    )
