"""Figures: each has its parts, its caption tells its settings, and its data are the physics."""

import functools
import string
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eos_jax import Outcome, config, theory
from eos_jax.paper import fig7b, networks
from eos_jax.paper.figures import figures
from eos_jax.paper.settings import choose, fill, stamped

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"


@functools.cache
def quick(name):
    return figures[name].compute(quick=True)


def gaps(dataset):
    """2/eta - final sharpness of the converged lanes of a sweep."""
    return (2 / dataset.eta - dataset.sharpness).values[dataset.outcome == Outcome.CONVERGED]


def final_gap(orbits):
    return (2 / orbits.eta - orbits.sharpness.isel(step=-1)).values


# Parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", figures)
def test_a_figure_has_its_parts_and_its_caption_names_every_setting(name):
    figure = figures[name]
    module = figure.module
    assert figure.title.startswith(("Figure ", "Network section ")) and figure.title.endswith(".")
    assert set(module.QUICK) <= set(module.SETTINGS)
    assert set(figure.stated()) <= set(module.SETTINGS)
    fields = {field for _, field, _, _ in string.Formatter().parse(module.CAPTION) if field}
    assert fields == set(module.SETTINGS)
    caption = fill(module.CAPTION, figure.settings())
    assert "{" not in caption
    if set(figure.stated()) != set(module.SETTINGS):
        assert "spirit" in caption or "not stated" in caption or "or more" in caption


def test_published_numbers_are_given_where_they_differ():
    for name, published in (("fig7a", "6a"), ("fig7b", "6b"), ("fig7c", "6c")):
        assert published in figures[name].title and published in figures[name].module.CAPTION


def test_a_quick_run_has_no_settings_of_its_own():
    with pytest.raises(KeyError, match="stpes"):
        choose({"steps": 10}, {"stpes": 1}, quick=True)


@pytest.mark.parametrize("name", ["fig2b", "fig5b", "fig6", "fig7a"])
def test_the_configuration_of_the_same_name_is_the_same_sweep(name):
    settings = figures[name].settings()
    found = config.load(CONFIGS / f"{name}.toml")
    assert found.axes["eta"] == settings["eta"]
    assert found.steps == settings["steps"]
    for axis in "xy":
        box = settings["box"] if "box" in settings else settings[axis]
        assert [found.axes[axis].start, found.axes[axis].stop] == box
        assert found.axes[axis].num == settings["points"]


@pytest.mark.parametrize(
    "name", [n for n in figures if n not in ("fig1a", "fig_elu", "fig_networks")]
)
def test_a_quick_figure_is_drawn_and_says_what_it_was_computed_with(name):
    if name == "fig1b":
        pytest.importorskip("sklearn")
    figure, dataset = figures[name], quick(name)
    assert stamped(dataset) == figure.settings(quick=True)
    picture = figure.draw(dataset)
    width, _ = picture.get_size_inches()
    assert 5 <= width <= 7.5
    for ax in picture.axes:
        assert ax.get_ylabel() or ax.get_subplotspec() is None
    picture.canvas.draw()
    plt.close(picture)


# Physics ------------------------------------------------------------------------------------------


def test_2a_ends_less_than_half_eta_below_the_edge_from_above_it():
    dataset = quick("fig2a")
    gap = final_gap(dataset)
    assert (dataset.sharpness.isel(step=0) > 2 / dataset.eta).all()
    # to leading order the gap is eta/2; the next term is -(129/32) eta^3
    assert (gap > 0).all() and (gap < dataset.eta / 2).all()
    assert np.allclose(gap, dataset.eta / 2 - 129 / 32 * dataset.eta**3, rtol=0.25)


def test_1c_four_free_scalars_end_at_the_edge_and_the_small_ones_equal():
    dataset = quick("fig1c")
    gap = final_gap(dataset)
    assert (gap > 0).all() and (gap < dataset.eta).all()
    end = dataset.isel(step=-1)
    assert (abs(end.z_orbit - end.w_orbit) < 0.3 * abs(0.43 - 0.36)).all()


def test_2b_concentrates_at_one_sharpness():
    dataset = quick("fig2b")
    gap = gaps(dataset)
    band = gap[(gap > 0) & (gap < 0.1)]
    assert band.size > 0.1 * gap.size
    assert np.mean(abs(band - (10 - 9.927360217757)) < 1e-3) > 0.8


def test_3_solves_its_differential_equation_and_joins_the_parabola():
    dataset = quick("fig3")
    eta = float(dataset.eta)
    for constant in dataset.constant.values:
        one = dataset.b.sel(constant=constant).dropna("a")
        one = one.where(one > 0.2, drop=True)
        if one.size < 100:
            continue
        slope = np.gradient(one.values, one.a.values, edge_order=2)
        assert np.allclose(slope, theory.two_step_slope(one.a, one, eta), rtol=1e-2, atol=1e-2)
    small = dataset.sel(constant=[1e-4, -1e-4]).sel(a=slice(-0.1, 0.1))
    assert float(abs(small.b**2 - small.parabola**2).max()) < 2e-4 * np.exp(0.8)


def test_4_is_the_real_map():
    dataset = quick("fig4")
    assert (dataset.a_moved <= dataset.a + 1e-12).all()  # a never grows
    near = dataset.sel(a=slice(-0.05, 0.05), b=slice(-0.03, 0.03))
    _, b = theory.two_step_ab(near.a, near.b, float(dataset.eta))
    assert float(abs(near.b_moved - b).max()) < 2e-4
    middle = dataset.sel(b=0.02, method="nearest").region
    assert (middle.sel(a=slice(0.05, 0.25)) == 0).all()  # leaves the minima
    assert (middle.sel(a=slice(None, -0.05)) == 1).all()  # returns


def test_5a_ends_the_further_below_the_further_above_it_began():
    gap = final_gap(quick("fig5a"))
    assert (gap > 0.3).all() and (np.diff(gap) > 0.3).all()


def test_5b_does_not_concentrate():
    gap = gaps(quick("fig5b"))
    assert np.mean((gap > 0) & (gap < 0.1)) < 0.01
    assert np.std(gap) > 1


def test_6_concentrates_in_the_corner_of_large_x_only():
    dataset = quick("fig6")
    gap = 2 / dataset.eta - dataset.sharpness
    band = (dataset.outcome == Outcome.CONVERGED) & (gap > 0) & (gap < 0.1)
    x, y = np.meshgrid(dataset.x, dataset.y, indexing="ij")
    inside = band.transpose("x", "y").values
    large_x, large_y = inside & (x > 4.5) & (y < 1), inside & (y > x)
    assert large_x.sum() > 100
    assert large_y.sum() < 0.05 * large_x.sum()
    # eta^2 / 4 to leading order
    assert np.median(gap.values[large_x]) == pytest.approx(0.2**2 / 4, rel=0.1)
    # at saddles, as the caption says
    lost = (dataset.outcome == Outcome.UNDECIDED).values & (y > 0)
    assert lost.any() and (dataset.x_final.values[lost] < 0).all()
    assert np.allclose(dataset.y_final.values[lost], 0, atol=1e-3)


def test_7a_holds_both_fates_finely_mixed():
    fate = quick("fig7a").outcome
    shares = [float((fate == kind).mean()) for kind in (Outcome.CONVERGED, Outcome.DIVERGED)]
    assert min(shares) > 0.2
    changes = (fate.values[:, 1:] != fate.values[:, :-1]).sum(axis=1)
    assert changes.max() > 20  # along y at one x; a smooth boundary would be crossed a few times


def test_7b_is_chaotic_then_periodic_then_converges_near_10_and_a_tenth():
    orbit = fig7b.orbit(True)
    end = [float(orbit[f"{n}_orbit"][-1]) for n in "xy"]
    assert np.allclose(end, theory.eos_minimum(0.01), rtol=1e-4)
    b = (orbit.x_orbit * orbit.y_orbit - 1).values
    assert np.unique(b[:1000].round(6)).size > 900
    late = b[100_000:100_004]
    assert late[0] * late[1] < 0 and abs(late[2] - late[0]) < 1e-4


def test_7c_exact_map_splits_before_the_leading_order_one():
    dataset = quick("fig7c").sel(frozen_a=1.2, method="nearest")

    def cycle(name):
        return np.unique(dataset[name].values[-16:].round(4)).size

    assert cycle("exact") == 4
    assert cycle("leading_order") == 2  # one fixed point of two steps on either side
    dataset = quick("fig7c").sel(frozen_a=1.0, method="nearest")
    assert cycle("exact") == 2


def test_a4_ends_at_the_edge():
    gap = final_gap(quick("figA4"))
    assert (gap > -1e-3).all() and (gap < 0.2).all()


def test_1b_ends_well_below_the_edge():
    pytest.importorskip("sklearn")
    dataset = quick("fig1b")
    assert (dataset.sharpness.isel(step=0) > 2 / dataset.eta).all()
    assert (dataset.sharpness.isel(step=-1) < 0.9 * 2 / dataset.eta).all()
    assert (dataset.loss.isel(step=-1) < 0.1 * dataset.loss.isel(step=0)).all()


# Networks -----------------------------------------------------------------------------------------


TINY = {
    "sizes": [6, 5, 5, 1],
    "activation": "elu",
    "bias": True,
    "data": "gaussian",
    "samples": 10,
    "classes": [0, 1],
    "every": 1,
    "folder": None,
    "seed": 0,
    "factors": 1.0,
    "steps": 200,
}


def test_projections_belong_to_the_orbit():
    dataset = networks.train_and_project(TINY, threshold=4)
    # the end is half a step from the middle between it and the next point
    assert abs(float(dataset.projection[-1])) <= 0.5 * float(dataset.one_step[-1]) * (1 + 1e-9)
    moved = np.hypot(np.diff(dataset.projection), np.diff(dataset.drift))
    assert (moved <= dataset.one_step.values[:-1] * (1 + 1e-9)).all()
    assert (dataset.two_step[:-1] <= dataset.one_step[:-1] + dataset.one_step.values[1:]).all()
    picture = figures["fig_networks"].draw(dataset)
    plt.close(picture)


def test_networks_train_on_cifar10_where_a_folder_is_given():
    settings = figures["fig1a"].settings()
    assert networks.on_cifar10(settings, None) == settings
    other = networks.on_cifar10(settings, "some/folder")
    assert (other["sizes"][0], other["data"], other["folder"]) == (3072, "cifar10", "some/folder")
    assert "cifar10" in fill(figures["fig1a"].module.CAPTION, other)
