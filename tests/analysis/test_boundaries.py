"""Dimensions of boundaries that are known: curves, Julia sets, and the map of Fig. 7a."""

import json

import numpy as np
import pytest

import eos_jax as eos
from eos_jax.analysis import (
    basin_entropy,
    box_counting,
    own_map,
    refined_map,
    resolution_scaling,
    wada,
)
from eos_jax.analysis.boundaries import agreement, boundary, uncertainty
from eos_jax.analysis.scaling import scaling

PAIR = eos.objectives.scalar_product((1, 1))
COUPLED = eos.objectives.scalar_product((2, 2))


def square(x, y, cx, cy):
    return x * x - y * y + cx, 2 * x * y + cy


JULIA = own_map(square, ["x", "y"])


def escaped(ds):
    return (ds.outcome.values == eos.Outcome.DIVERGED).astype(int)


ESCAPES = {"stop": eos.Stop(escape=10.0), "sharpness": None, "labels": escaped}


def julia(cx, cy, side, points=512):
    half = np.linspace(-side, side, points)
    return {"x": half, "y": half + 0.001, "cx": cx, "cy": cy}


def figure_7a(points):
    return {"x": np.linspace(3.0, 3.4, points), "y": np.linspace(0.1, 0.5, points), "eta": 0.2}


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    """The Julia set of Douady's rabbit, of dimension 1.3934 (McMullen 1998)."""
    out = tmp_path_factory.mktemp("store") / "rabbit"
    axes = julia(-0.12256, 0.74486, 1.6)
    return boundary(JULIA, axes, 300, pairs=40_000, out=out, **ESCAPES), out


def test_two_estimates_cover_a_julia_set(rabbit):
    ds, _ = rabbit
    for name in ("resolution", "uncertainty"):
        error = float(ds[f"{name}_error"])
        assert abs(float(ds[f"{name}_dimension"]) - 1.3934) < error < 0.06


def test_what_is_withheld_says_why(rabbit):
    """512 points leave three sizes of boxes with enough of them."""
    ds, _ = rabbit
    reasons = json.loads(ds.attrs["verdicts"])
    assert "counts or more" in reasons["boxes"] and "boxes withheld" in ds.attrs["agreement"]
    assert np.isnan(ds.boxes_dimension)
    assert np.isfinite(ds.boxes_slope)


def test_a_store_beside_goes_on(rabbit):
    ds, out = rabbit
    assert (out.parent / "rabbit.parts" / "map").is_dir()
    opened = eos.open(out)
    np.testing.assert_array_equal(opened.outcome, ds.outcome)
    np.testing.assert_array_equal(opened.resolution_dimension, ds.resolution_dimension)


def test_a_smooth_boundary_has_dimension_one():
    side = np.linspace(0.5, 6, 512)
    ds = boundary(PAIR, {"x": side, "y": side, "eta": 0.2}, 3000, pairs=20_000)
    assert 0.99 < float(ds.resolution_dimension) < 1.04 and float(ds.resolution_error) < 0.05
    assert abs(float(ds.uncertainty_slope) - 1) < float(ds.uncertainty_error) + 0.04
    assert "two fates" in ds.attrs["basin_entropy"] and "withheld" in ds.attrs["wada"]


@pytest.mark.long
@pytest.mark.parametrize(("at", "known"), [((-1.0, 0.0), 1.26835), ((-0.12256, 0.74486), 1.3934)])
def test_the_uncertainty_exponent_alone_covers_julia_sets(at, known):
    found = uncertainty(JULIA, julia(*at, 1.8), 500, pairs=200_000, **ESCAPES)
    assert abs(found.exponent - known) < found.error < 0.06 and not found.verdict


@pytest.mark.long
def test_figure_7a_from_512_to_4096():
    ds = boundary(COUPLED, figure_7a(4096), 10_000, pairs=200_000)
    assert abs(float(ds.resolution_dimension) - 1.74) < 0.02
    assert ds.attrs["agreement"] == "agree within their errors"


def test_a_refined_map_is_the_full_map():
    """Of a smooth boundary to the last label, of Fig. 7a's at the stated rate."""
    side = np.linspace(0.5, 6, 300)
    axes = {"x": side, "y": side, "eta": 0.2}
    found = refined_map(PAIR, axes, 2000, check=2000)
    full = eos.sweep(PAIR, axes, 2000, keep=())
    assert (found.outcome.values == full.outcome.values).all()
    assert found.attrs["orbits_share"] < 0.25 and found.attrs["error_rate"] == 0
    assert 0 < found.attrs["error_rate_upper"] < 0.003
    axes = figure_7a(257)
    found = refined_map(COUPLED, axes, 2000, levels=4, check=20_000)
    full = eos.sweep(COUPLED, axes, 2000, keep=())
    wrong = float((found.outcome.values != full.outcome.values).mean())
    assert 0.3 * wrong <= found.attrs["error_rate"] <= found.attrs["error_rate_upper"] < 3 * wrong
    computed = found.computed.values == 1
    assert (found.outcome.values == full.outcome.values)[computed].all()


def test_boxes_of_a_carpet():
    """Sierpinski's carpet, log 8 / log 3 = 1.893: boxes by powers of two oscillate about it."""
    carpet = np.ones((1, 1), int)
    for _ in range(6):
        carpet = np.block([[carpet, carpet, carpet], [carpet, 0 * carpet, carpet], [carpet] * 3])
    found = box_counting(carpet, 5, finest=4)
    assert abs(found.exponent - np.log(8) / np.log(3)) < 0.12


def test_entropy_and_wada_of_newtons_fractal():
    """Basins of the three roots of z^3 = 1 have one boundary; stripes have not."""
    side = np.linspace(-2, 2, 320)
    z = side[:, None] + 1j * (side + 0.01)
    for _ in range(40):
        z = z - (z**3 - 1) / (3 * z**2)
    roots = np.exp(2j * np.pi * np.arange(3) / 3)
    labels = np.abs(z[..., None] - roots).argmin(axis=-1)
    assert wada(labels).verdict.startswith("Wada to")
    stripes = np.repeat([0, 1, 2], 41)[:, None] * np.ones(123, int)
    assert wada(stripes).verdict.startswith("no")
    assert basin_entropy(stripes).verdict.startswith("not above")
    assert basin_entropy(np.ones((50, 50))).verdict == "no boundary"


def test_drifting_slopes_and_undecided_lanes_withhold():
    sizes = 0.5 ** np.arange(4, 12)
    both = np.round(200 * sizes**-1.0 + 0.05 * sizes**-2.5) * np.ones((9, 1))
    found = scaling(sizes, both)
    assert "drifts by" in found.verdict and np.isnan(found.said)
    fine = scaling(sizes, np.round(100 * sizes**-1.5) * np.ones((9, 1)))
    assert not fine.verdict and abs(fine.said - 1.5) < 0.01 and fine.slopes.shape == (7,)
    assert "undecided" in scaling(sizes, 100 * sizes**-1.5 * np.ones((9, 1)), unknown=0.1).verdict
    labels = np.zeros((512, 512), int)
    labels[:, 256:] = 1
    labels[100:, :20] = -1
    assert "undecided" in resolution_scaling(labels).verdict
    apart = agreement((fine, fine._replace(exponent=1.9), found))
    assert "resolution and boxes differ by -0.400" in apart and "uncertainty withheld" in apart


def test_what_is_no_plane():
    with pytest.raises(ValueError, match="must span a plane"):
        uncertainty(PAIR, {"x": [1.0, 2.0], "y": 0.3, "eta": 0.2}, 10)
    with pytest.raises(ValueError, match="plane of at least"):
        resolution_scaling(np.zeros((20, 20)))
