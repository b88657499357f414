"""Figures: each has its parts, its caption tells its settings, and its data are the physics."""

import functools
import string
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax import Outcome, cli, config, plots, theory
from eos_jax.paper.figures import base, chaos, figures, networks, orbits
from eos_jax.results import store, verify

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
    assert figure.name == name
    assert figure.title.startswith(("Figure ", "Network section ")) and figure.title.endswith(".")
    assert set(figure.quick) <= set(figure.settings)
    assert set(figure.stated) <= set(figure.settings)
    fields = {field for _, field, _, _ in string.Formatter().parse(figure.text) if field}
    assert fields == set(figure.settings)
    assert "{" not in base.fill(figure.text, figure.chosen())


@pytest.mark.parametrize("name", figures)
def test_no_setting_of_a_quick_run_is_called_the_papers(name):
    figure = figures[name]
    full, quick = figure.origins(figure.chosen()), figure.origins(figure.chosen(quick=True))
    assert {n for n, origin in full.items() if origin == base.PAPER} == set(figure.stated)
    assert set(full.values()) <= {base.PAPER, base.HERE}
    assert {n for n, origin in quick.items() if origin == base.QUICK} == set(figure.quick)


def test_a_caption_says_where_its_settings_come_from():
    dataset = quick("fig2b")
    caption = figures["fig2b"].caption(dataset)
    assert "at most 5000 steps" in caption
    assert "As the paper states them: copies, box, eta, band." in caption
    assert "Smaller in this quick run: points, steps." in caption
    other = dict(figures["fig2b"].chosen(), eta=0.1)
    assert figures["fig2b"].origins(other)["eta"] == base.USER


def test_published_numbers_are_given_where_they_differ():
    for name, published in (("fig7a", "6a"), ("fig7b", "6b"), ("fig7c", "6c")):
        assert published in figures[name].title and published in figures[name].text


def test_a_quick_run_has_no_settings_of_its_own():
    with pytest.raises(KeyError, match="stpes"):
        figures["fig2a"]._replace(quick={"stpes": 1}).chosen(quick=True)


@pytest.mark.parametrize("name", ["fig2b", "fig5b", "fig6", "fig7a"])
def test_the_configuration_of_the_same_name_is_the_same_sweep(name):
    settings = figures[name].chosen()
    found = config.load(CONFIGS / f"{name}.toml")
    assert found.axes["eta"] == settings["eta"]
    assert found.steps == settings["steps"]
    for axis in "xy":
        box = settings["box"] if "box" in settings else settings[axis]
        assert [found.axes[axis].start, found.axes[axis].stop] == box
        assert found.axes[axis].num == settings["points"]


DIGITS = ("fig1a", "fig1b", "fig_elu", "fig_networks")
EACH = [pytest.param(n, marks=pytest.mark.long) if n in DIGITS else n for n in figures]


@pytest.mark.parametrize("name", EACH)
def test_a_quick_figure_is_drawn_and_drawn_again_from_its_store(name, tmp_path):
    if name in DIGITS:
        pytest.importorskip("sklearn")
    figure, dataset = figures[name], quick(name)
    assert base.settings_of(dataset) == figure.chosen(quick=True)
    picture = figure.draw(dataset)
    assert 5 <= picture.get_size_inches()[0] <= 7.5
    for ax in picture.axes:
        shares = len(ax.get_shared_y_axes().get_siblings(ax)) > 1
        assert ax.get_ylabel() or ax.get_subplotspec() is None or shares
    plots.save(picture, tmp_path / "first.png")
    store.save(dataset, tmp_path / "data.zarr")
    found = eos.open(tmp_path / "data.zarr")
    xr.testing.assert_identical(found.load(), dataset)
    assert list(found.data_vars) == list(dataset.data_vars)
    assert verify.damaged(tmp_path / "data.zarr") == []
    cli.main(["plot", str(tmp_path / "data.zarr"), "--out", str(tmp_path / "again.png")])
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "first.png").read_bytes()


def test_data_of_a_figure_that_were_damaged_or_lost_are_noticed(tmp_path, capsys):
    path = tmp_path / "data.zarr"
    store.save(quick("fig3"), path)
    cli.main(["info", str(path)])
    assert "closed form" in capsys.readouterr().out
    (chunk,) = (file for file in (path / "b" / "c").rglob("*") if file.is_file())
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert [line.partition(":")[0] for line in verify.damaged(path)] == ["b"]
    chunk.unlink()
    assert verify.damaged(path) == ["b: a chunk is missing"]


def test_data_of_a_figure_are_drawn_as_any_dataset_where_that_is_asked_for(tmp_path):
    store.save(quick("fig2b"), tmp_path / "data.zarr")
    arguments = ["plot", str(tmp_path / "data.zarr"), "--out", str(tmp_path / "a.png")]
    cli.main([*arguments, "--kind", "outcome"])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_erratum_of_each_caption_is_a_claim():
    """Errata are checked by claims alone; captions that mention one must agree with it."""
    from eos_jax.paper.claims import claims

    assert claims["erratum_4_band_of_figure_2"].figure == "fig2b"
    assert "(2/eta - 0.1, 2 eta); its end is 2/eta" in figures["fig2b"].text


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


def test_the_star_of_an_orbit_is_the_minimum_of_the_sharpness_two_over_eta():
    assert np.allclose(orbits.minimum_of_sharpness(2 / 0.2, 2), theory.eos_minimum(0.2))
    x, y = orbits.minimum_of_sharpness(9.5, 1)
    point = {"x": x, "y": y}
    assert eos.sharpness(eos.objectives.scalar_product(2), point) == pytest.approx(9.5)


def test_7b_and_7c_share_their_orbit():
    assert chaos._orbit.cache_info().currsize <= 1
    quick("fig7b"), quick("fig7c")
    assert chaos._orbit.cache_info().currsize == 1


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
    orbit = quick("fig7b")
    end = [float(orbit[f"{n}_orbit"][-1]) for n in "xy"]
    assert np.allclose(end, theory.eos_minimum(0.01), rtol=1e-4)
    b = (orbit.x_orbit * orbit.y_orbit - 1).values
    assert np.unique(b[:1000].round(6)).size > 900
    late = b[100_000:100_004]
    assert late[0] * late[1] < 0 and abs(late[2] - late[0]) < 1e-4


def test_7c_cubic_map_splits_before_the_leading_order_one():
    dataset = quick("fig7c").sel(frozen_a=1.2, method="nearest")

    def cycle(name):
        return np.unique(dataset[name].values[-16:].round(4)).size

    assert cycle("cubic") == 4
    assert cycle("leading_order") == 2  # one fixed point of two steps on either side
    dataset = quick("fig7c").sel(frozen_a=1.0, method="nearest")
    assert cycle("cubic") == 2


def test_a4_ends_at_the_edge():
    gap = final_gap(quick("figA4"))
    assert (gap > -1e-3).all() and (gap < 0.2).all()


@pytest.mark.long
def test_1b_ends_well_below_the_edge():
    pytest.importorskip("sklearn")
    dataset = quick("fig1b")
    assert (dataset.sharpness.isel(step=0) > 2 / dataset.eta).all()
    assert (dataset.sharpness.isel(step=-1) < 0.9 * 2 / dataset.eta).all()
    assert (dataset.loss.isel(step=-1) < 0.1 * dataset.loss.isel(step=0)).all()


@pytest.mark.long
def test_elu_sharpens_through_the_edge_at_each_step_size_and_settles_below():
    pytest.importorskip("sklearn")
    dataset = quick("fig_elu")
    part = dataset.sharpness * dataset.eta / 2
    assert (part.isel(step=0) < 0.4).all() and (part.isel(step=1) < 0.8).all()
    assert (part.max("step") > 1.05).all()
    assert (part.isel(step=-1) > 0.94).all() and (part.isel(step=-1) < 1).all()


# Networks -----------------------------------------------------------------------------------------


TINY = {
    "sizes": [6, 5, 1],
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
    "threshold": 4,
}


def test_projections_belong_to_the_orbit():
    dataset = networks.train_and_project(TINY)
    # the end is half a step from the middle between it and the next point
    assert abs(float(dataset.projection[-1])) <= 0.5 * float(dataset.one_step[-1]) * (1 + 1e-9)
    moved = np.hypot(np.diff(dataset.projection), np.diff(dataset.drift))
    assert (moved <= dataset.one_step.values[:-1] * (1 + 1e-9)).all()
    assert (dataset.two_step[:-1] <= dataset.one_step[:-1] + dataset.one_step.values[1:]).all()
    assert figures["fig_networks"].draw(dataset).axes
    # Lanczos against the dense Hessian
    objective = networks.network(TINY)
    with networks.jax.enable_x64(True):
        dense = np.asarray(eos.hessian(objective, networks.start(objective, TINY)))
    assert float(dataset.sharpness[0]) == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=1e-3)


def test_networks_train_on_cifar10_where_a_folder_is_given():
    settings = figures["fig1a"].chosen()
    other = {**settings, **networks.on_cifar10(settings, "some/folder")}
    assert (other["sizes"][0], other["data"], other["folder"]) == (3072, "cifar10", "some/folder")
    assert "cifar10" in base.fill(figures["fig1a"].text, other)
    assert figures["fig1a"].origins(other)["data"] == base.USER
