"""Pictures: what is drawn is what the data say, whatever they look like; nothing global moves."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import eos_jax as eos
from eos_jax import Outcome, plots
from eos_jax.plots import axes as dimensions
from eos_jax.plots import edge
from tests.plots.conftest import ORBITS, SWEEPS, sweep

pytestmark = pytest.mark.slow


def fresh_axes():
    return Figure().subplots()


def legend_of(figure):
    """Every label in a legend of a figure."""
    legends = [ax.get_legend() for ax in figure.axes] + list(figure.legends)
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


def image(ax, number=0):
    """The cells of a map as they are seen: rows from low to high."""
    mesh = ax.collections[number]
    return mesh.get_array()


def colour_of(collection):
    return collection.get_cmap()(0.5)


# Whatever the data look like ----------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SWEEPS, *ORBITS])
def test_every_dataset_is_drawn(name, dataset):
    """Warnings are errors here, also those that appear only when the picture is laid out."""
    data = dataset(name)
    first = plots.kinds(data)[0]
    assert first == ("orbits" if name in ORBITS else first)
    figure = plots.draw(data)
    figure.draw_without_rendering()
    for ax in figure.axes:
        assert [*ax.lines, *ax.collections, *ax.texts], ax


EVERY_TIME = ("a map", "heavy ball", "three axes", "along eta", "one lane", "Adam", "zipped orbits")
"""Datasets of each kind; the others are drawn as everything by `make test-long`."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in EVERY_TIME else pytest.mark.long)
        for name in (*SWEEPS, *ORBITS)
    ],
)
def test_every_dataset_is_drawn_as_everything_it_can_be(name, dataset):
    data = dataset(name)
    known = plots.kinds(data)
    assert {"outcome", "map", "curves"} <= set(known)
    for kind in known[1:]:
        if kind == "orbit" and name == "a network":
            continue
        variable = {"map": "outcome", "curves": "outcome", "trace": "loss"}.get(kind)
        figure = plots.draw(data, kind, **({"variable": variable} if variable else {}))
        figure.draw_without_rendering()
        for ax in figure.axes:
            assert [*ax.lines, *ax.collections, *ax.texts, *ax.patches], (kind, ax)


@pytest.mark.parametrize("function", [plots.sharpness_map, plots.outcome_map])
def test_a_picture_draws_into_the_axes_given_and_returns_it(function, dataset):
    left, right = Figure().subplots(1, 2)
    assert function(dataset("a map"), right) is right
    assert not left.has_data() and right.has_data()
    assert (right.get_xlabel(), right.get_ylabel()) == ("x", "y")


def test_every_ending_is_written(dataset, tmp_path):
    figure = plots.draw(dataset("a map"), "outcome")
    for ending in ("png", "pdf", "svg", "PNG"):
        plots.save(figure, tmp_path / "deep" / f"a.{ending}")
        assert (tmp_path / "deep" / f"a.{ending}").stat().st_size > 1000
    with pytest.raises(ValueError, match=r"must end in .png, .pdf or .svg"):
        plots.save(figure, tmp_path / "a.jpg")


# Nothing global -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_pyplot_no_style_no_backend_is_touched():
    code = (
        "import sys, numpy as np, xarray as xr, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "import eos_jax.plots as plots\n"
        "import eos_jax.paper.figures\n"
        "lanes = {'outcome': (('x', 'y'), np.ones((2, 2), np.uint8)),"
        " 'sharpness': (('x', 'y'), np.eye(2)), 'threshold': (('x', 'y'), np.full((2, 2), 2.0))}\n"
        "ds = xr.Dataset(lanes, coords={'x': [0., 1], 'y': [0., 1], 'eta': 1.0})\n"
        "figure = plots.draw(ds)\n"
        "assert figure._repr_png_().startswith(b'\\x89PNG')\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was imported'\n"
        "after = matplotlib.rcParams.copy()\n"
        "assert dict.__eq__(before, after), 'the style was changed'\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


# Maps ---------------------------------------------------------------------------------------------


def test_a_map_shows_what_the_data_say(dataset):
    data = dataset("a map")
    ax = plots.sharpness_map(data, fresh_axes())
    cells = image(ax)  # the first dimension is horizontal
    converged = (data.outcome == Outcome.CONVERGED).values.T
    assert np.array_equal(~np.ma.getmaskarray(cells), converged)
    np.testing.assert_array_equal(cells[converged], data.sharpness.values.T[converged])
    band = np.ma.getmaskarray(image(ax, 1))
    gap = 10 - data.sharpness.values.T
    assert np.array_equal(~band, converged & (gap > 0) & (gap < 0.1))
    assert (~band).any()
    assert ax.get_title() == "eta = 0.2"
    assert "within 1 % below the threshold" in legend_of(ax.figure)


def test_the_band_is_below_the_threshold_of_the_rule(dataset):
    """2 (1 + beta)/eta = 15 for the heavy ball: nothing there ends within 1 % of 2/eta = 10."""
    data = dataset("heavy ball")
    assert np.unique(data.threshold).tolist() == [15.0]
    ax = plots.sharpness_map(data, fresh_axes(), band=0.2)
    shown = ~np.ma.getmaskarray(image(ax, 1))
    sharpness = data.sharpness.values.T
    want = (data.outcome.values.T == Outcome.CONVERGED) & (sharpness > 12) & (sharpness < 15)
    assert want.any() and np.array_equal(shown, want)
    assert ax.get_title() == "heavy ball: eta = 0.2, momentum = 0.5"
    assert "within 20 % below the threshold" in legend_of(ax.figure)


def test_the_dashed_line_is_the_threshold_of_the_rule(dataset):
    line = plots.draw(dataset("heavy ball"), isel={"y": 1}).axes[0]
    (dashed,) = (one for one in line.lines if one.get_linestyle() == "--")
    assert dashed.get_label() == "threshold" and set(dashed.get_ydata()) == {15.0}
    converged = next(one for one in line.lines if one.get_label() == "converged")
    kept = dataset("heavy ball").isel(y=1)
    np.testing.assert_array_equal(
        converged.get_ydata(), kept.sharpness.where(kept.outcome == Outcome.CONVERGED)
    )


def test_without_a_threshold_no_band_and_no_line(dataset):
    data = dataset("without threshold")
    assert not any("threshold" in label for label in legend_of(plots.draw(data, "sharpness")))
    line = plots.draw(data, "sharpness", isel={"x": 0}).axes[0]
    assert not any(one.get_linestyle() == "--" for one in line.lines)


def test_a_curvature_of_the_rules_own_is_what_is_shown():
    lanes = {"outcome": [1, 1], "sharpness": [9.0, 1.0], "curvature": [1.5, 1.99]}
    data = xr.Dataset(
        {name: ("x", values) for name, values in {**lanes, "threshold": [2.0, 2.0]}.items()},
        coords={"x": [0.0, 1.0]},
    )
    assert edge.in_band(data, 0.01).values.tolist() == [False, True]
    ax = plots.sharpness_map(data, fresh_axes())
    assert ax.lines[0].get_ydata().tolist() == [1.5, 1.99]
    assert ax.get_ylabel() == "final curvature"


def test_every_fate_has_a_colour_of_its_own():
    lanes = xr.Dataset(
        {"outcome": (("x", "y"), np.arange(8, dtype=np.uint8).reshape(4, 2))},
        coords={"x": np.arange(4.0), "y": [0.0, 1.0]},
    )
    lanes["sharpness"] = xr.full_like(lanes.outcome, 1.0, float)
    for kind in ("outcome", "sharpness"):
        ax = plots.draw(lanes, kind).axes[0]
        seen = [m for m in ax.collections if kind == "outcome" or m.get_cmap().N == 1]
        assert (
            len({colour_of(mesh) for mesh in seen}) == len(seen) == (8 if kind == "outcome" else 7)
        )
        assert all((~np.ma.getmaskarray(mesh.get_array())).sum() == 1 for mesh in ax.collections)
        assert set(legend_of(ax.figure)) >= {"stationary", "undecided", "diverged", "pending"}
    assert len(set(plots.OUTCOME_COLOURS.values())) == len(Outcome)


def test_nothing_converged_is_said_and_has_no_scale(dataset):
    for name, fate in (("all diverged", "diverged"), ("nothing decided", "undecided")):
        figure = plots.draw(dataset(name), "sharpness")
        assert len(figure.axes) == 1  # no colour bar
        assert [text.get_text() for text in figure.axes[0].texts] == ["no orbit converged"]
        assert legend_of(figure) == [fate]


def test_large_maps_are_thinned(monkeypatch, dataset):
    monkeypatch.setattr(dimensions, "SHOWN", 10)
    ax = plots.sharpness_map(dataset("a map"), fresh_axes())
    assert image(ax).size == 7 * 9


def test_a_histogram_says_what_it_leaves_out():
    lanes = {"outcome": [1, 1, 1, 1, 2], "sharpness": [9.95, 9.5, 5.0, 10.5, 1.0]}
    data = xr.Dataset({name: ("x", v) for name, v in lanes.items()}, coords={"x": np.arange(5.0)})
    data["threshold"] = ("x", np.full(5, 10.0))
    ax = plots.sharpness_histogram(data, fresh_axes(), band=0.1, relative=False, top=1.0)
    assert ax.get_title() == "not shown: 25 % further below, 25 % above"
    heights = sum(patch.get_data().values for patch in ax.patches)
    assert heights.sum() == 50 and ax.get_ylabel() == "% of converged orbits"
    ax = plots.sharpness_histogram(data, fresh_axes(), band=0.1, relative=False, top=6.0)
    assert ax.get_title() == "not shown: 25 % above"


def test_the_key_of_map_and_histogram_is_below_both(dataset):
    figure = plots.sharpness_map_and_histogram(dataset("a map"))
    assert not any(ax.get_legend() for ax in figure.axes) and len(figure.legends) == 1
    assert "within 1 % below the threshold" in legend_of(figure)
    assert figure.axes[1].get_title().startswith("not shown: ")


# Axes ---------------------------------------------------------------------------------------------


def test_geometric_axes_are_drawn_logarithmically(dataset):
    ax = plots.draw(dataset("log axes")).axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    linear = plots.draw(dataset("a map")).axes[0]
    assert (linear.get_xscale(), linear.get_yscale()) == ("linear", "linear")
    told = dataset("a map").isel(x=slice(1, None)).copy()
    told.x.attrs["scale"] = "log"
    assert plots.draw(told).axes[0].get_xscale() == "log"


def test_axes_in_any_order_are_drawn_from_low_to_high(dataset):
    data = dataset("unsorted axis")
    cells = image(plots.outcome_map(data, fresh_axes()), 0)
    ax = plots.sharpness_map(data, fresh_axes())
    want = plots.sharpness_map(data.sortby("x"), fresh_axes())
    np.testing.assert_array_equal(image(ax).filled(-1), image(want).filled(-1))
    assert cells.shape == (6, 4)
    edges = ax.collections[0].get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges, [0.5, 1.5, 2.5, 3.5, 4.5])


def test_many_even_cells_are_an_image_and_others_a_mesh():
    """The same cells at the same places; an image is drawn at once, a mesh cell by cell."""
    size = 300
    lanes = xr.Dataset(
        {"loss": (("x", "y"), np.arange(size**2, dtype=float).reshape(size, size))},
        coords={"x": np.linspace(1.0, 2.0, size), "y": np.linspace(-1.0, 0.0, size)},
    )
    lanes["outcome"] = xr.full_like(lanes.loss, Outcome.CONVERGED, np.uint8)
    (seen,) = plots.draw(lanes, variable="loss").axes[0].images
    bent = lanes.assign_coords(x=lanes.x + 1e-3 * lanes.x**2)
    (mesh,) = plots.draw(bent, variable="loss").axes[0].collections
    np.testing.assert_array_equal(seen.get_array(), lanes.loss.values.T)
    np.testing.assert_array_equal(mesh.get_array(), seen.get_array())
    margin = 0.5 / (size - 1)
    np.testing.assert_allclose(seen.get_extent(), [1 - margin, 2 + margin, -1 - margin, margin])
    assert seen.origin == "lower" and seen.get_clim() == mesh.get_clim() == (0, size**2 - 1)


def test_an_axis_of_length_one_is_visible(dataset):
    for name in ("a column", "one point of a map"):
        ax = plots.draw(dataset(name)).axes[0]
        low, high = ax.get_xlim()
        assert low < 2 < high
        corners = ax.collections[0].get_coordinates()[0, :, 0]
        assert corners[0] == low and corners[-1] == high
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2"]


def test_a_hole_in_an_axis_is_left_out(dataset):
    ax = plots.draw(dataset("an axis with a hole")).axes[0]
    assert image(ax).shape == (2, 2)


# Any variable, selections, panels -----------------------------------------------------------------


def test_any_variable_is_a_map_or_curves(dataset):
    data = dataset("heavy ball")
    figure = plots.draw(data, variable="peak")
    np.testing.assert_array_equal(image(figure.axes[0]), data.peak.values.T)
    assert figure.axes[1].get_ylabel() == "largest sharpness (1/eta)"
    # diverged lanes reach any value: the scale is that of the others, its bar has a tip
    kept = data.peak.where(data.outcome != Outcome.DIVERGED)
    assert figure.axes[0].collections[0].get_clim() == (kept.min(), kept.max())
    logarithmic = plots.draw(data, variable="peak", log=True, limits=(1, 100), cmap="magma")
    assert logarithmic.axes[0].collections[0].get_clim() == (1, 100)
    assert logarithmic.axes[1].get_yscale() == "log"
    line = plots.draw(data, variable="peak", isel={"y": 0}).axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), data.peak.isel(y=0))
    curves = plots.draw(data, "curves", variable="steps").axes[0]
    assert len(curves.lines) == 7 and len(legend_of(curves.figure)) == 7
    assert curves.get_xlabel() == "x"  # the longest


def test_selections_take_the_nearest_value_and_ranges(dataset):
    data = dataset("three axes")
    ax = plots.draw(data, sel={"eta": 0.21}).axes[0]
    assert ax.get_title() == "eta = 0.2"
    want = plots.sharpness_map(data.sel(eta=0.2), fresh_axes())
    np.testing.assert_array_equal(image(ax).filled(-1), image(want).filled(-1))
    part = plots.draw(data, sel={"eta": 0.2, "x": slice(2, 3)}).axes[0]
    assert image(part).shape == (5, 2)
    assert plots.draw(data, isel={"eta": 0, "x": -1}).axes[0].get_title() == "eta = 0.05, x = 4"


def test_a_third_dimension_is_panels_with_one_scale(dataset):
    data = dataset("three axes")
    figure = plots.draw(data)
    panels = figure.axes[:3]
    assert [ax.get_title() for ax in panels] == ["eta = 0.05", "eta = 0.2", "eta = 0.4"]
    scales = {ax.collections[0].get_clim() for ax in panels if ax.collections}
    converged = data.sharpness.where(data.outcome == Outcome.CONVERGED)
    assert scales == {(float(converged.min()), float(converged.max()))}
    assert len(figure.axes) == 4  # and one bar
    assert len(figure.legends) == 1
    for ax, eta in zip(panels, data.eta.values):
        want = converged.sel(eta=eta).values.T
        np.testing.assert_array_equal(np.ma.filled(image(ax), np.nan), want)
    over_y = plots.draw(data, "outcome", facet="y")
    assert [ax.get_title() for ax in over_y.axes[:2]] == ["y = 0.1", "y = 0.325"]


def test_many_panels_are_thinned_and_it_is_said():
    data = sweep([1.0, 2.0], [0.3, 0.4], np.linspace(0.05, 0.4, 30), steps=60)
    figure = plots.draw(data, facet="eta")
    assert len([ax for ax in figure.axes if ax.get_title().startswith("eta")]) == 12
    assert "12 of 30 values of eta" in figure.get_suptitle()


# Orbits -------------------------------------------------------------------------------------------


def test_orbits_show_loss_sharpness_and_the_plane(dataset):
    data = dataset("three step sizes")
    figure = plots.draw(data)
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "sharpness", "y"]
    loss, sharpness, plane = figure.axes
    for line, eta in zip(loss.lines, data.eta.values):
        np.testing.assert_array_equal(line.get_ydata(), data.loss.sel(eta=eta))
    heights = sorted(line.get_ydata()[0] for line in sharpness.lines if line.get_linestyle() == "--"
                     and len(line.get_ydata()))  # fmt: skip
    np.testing.assert_allclose(heights, [8, 10, 12])
    assert set(legend_of(figure)) == {"eta = 0.25", "eta = 0.2", "eta = 0.1667", "threshold"}
    # even and odd steps are curves of their own
    even = next(line for line in plane.lines if line.get_linestyle() == "-")
    np.testing.assert_array_equal(even.get_xdata(), data.x_orbit.isel(eta=0)[::2])
    assert figure.get_suptitle() == "x = 2.5, y = 0.4001"


def test_no_curve_of_the_paper_on_another_model(dataset):
    for name in ("Rosenbrock", "three step sizes"):
        labels = legend_of(plots.draw(dataset(name)))
        assert not {"minima", "EoS minimum"} & set(labels)
    plane = plots.draw(dataset("Rosenbrock")).axes[2]
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("a", "b")
    asked = plots.draw(
        dataset("three step sizes"), "orbit", minima=lambda x: 1 / x, mark=lambda lane: (2.0, 0.5)
    ).axes[0]
    assert "minima" in legend_of(asked.figure)


def test_the_planes_parameters_can_be_chosen_or_left_out(dataset):
    data = dataset("three step sizes")
    plane = plots.draw(data, parameters=("y", "x")).axes[2]
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("y", "x")
    assert len(plots.draw(data, parameters=()).axes) == 2
    with pytest.raises(ValueError, match=r"x, y, but got x, w"):
        plots.draw(data, parameters=("x", "w"))


def test_a_networks_orbits_are_loss_and_sharpness(dataset):
    figure = plots.draw(dataset("a network"))
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "sharpness"]


def test_many_step_sizes_have_a_colour_bar(dataset):
    figure = plots.draw(dataset("33 step sizes"))
    assert legend_of(figure) == ["threshold"]
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "eta" and bar.get_yscale() == "log"
    assert len(figure.axes[0].lines) == 33


def test_a_second_hyperparameter_makes_rows(dataset):
    figure = plots.draw(dataset("momentum and eta"))
    assert len(figure.axes) == 6
    lefts = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert lefts == ["momentum = 0", "momentum = 0.3"]
    # 2 (1 + beta)/eta
    for ax, beta in zip(figure.axes[1::3], (0, 0.3)):
        heights = {round(line.get_ydata()[0], 9) for line in ax.lines
                   if line.get_linestyle() == "--" and len(line.get_ydata())}  # fmt: skip
        assert heights == {round(2 * (1 + beta) / eta, 9) for eta in (0.1, 0.2, 0.3)}
    coloured = plots.draw(dataset("momentum and eta"), colour="momentum", isel={"eta": 1})
    assert "momentum = 0.3" in legend_of(coloured)
    assert coloured.get_suptitle().startswith("heavy ball: eta = 0.2")


def test_samples_of_one_parity_are_one_curve(dataset):
    ax = plots.draw(dataset("one in ten"), "sharpness_trace").axes[0]
    solid = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [len(line.get_ydata()) for line in solid] == [5, 5]


def test_zipped_orbits_are_told_by_what_varies(dataset):
    assert legend_of(plots.draw(dataset("zipped orbits"), "loss_trace")) == [
        "eta = 0.2, x = 2.5",
        "eta = 0.1, x = 2.4",
    ]


def test_a_spread_is_the_quantiles_over_lanes():
    """Of 201 lanes whose values are 0 to 200 at every step: by hand."""
    values = np.arange(201.0)[:, None] * np.ones(4)
    dataset = xr.Dataset(
        {"bend": (("seed", "step"), values, {"long_name": "bend"}),
         "outcome": ("seed", np.full(201, eos.Outcome.UNDECIDED, np.uint8))},
        coords={"seed": np.arange(201), "step": 10 * np.arange(4)},
    )  # fmt: skip
    (ax,) = plots.draw(dataset, "spread", part=0.8).axes
    (line,), (band,) = ax.lines, ax.collections
    np.testing.assert_array_equal(line.get_xydata(), [[s, 100] for s in (0, 10, 20, 30)])
    assert {round(y) for y in band.get_paths()[0].vertices[:, 1]} == {20, 180}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["80 % of 201 lanes", "median"]
    with pytest.raises(ValueError, match="not one number for each step"):
        plots.draw(dataset, "spread", variable="outcome")
    with pytest.raises(ValueError, match="`part` must be between 0 and 1"):
        plots.draw(dataset, "spread", part=1)


# The registry -------------------------------------------------------------------------------------


def test_a_new_picture_is_one_function(dataset):
    @plots.register("lanes", {"outcome": (), "peak": ()}, rank=0)
    def lanes(dataset, ax, words="lanes"):
        """How many lanes there are."""
        ax.set_title(f"{dataset.outcome.size} {words}")
        return ax

    try:
        assert plots.kinds(dataset("heavy ball"))[0] == "lanes"
        assert "lanes" not in plots.kinds(dataset("a map"))  # it has no `peak`
        figure = plots.draw(dataset("heavy ball"), words="orbits")
        assert figure.axes[0].get_title() == "175 orbits"
        with pytest.raises(ValueError, match=r"`lanes` needs `peak`"):
            plots.draw(dataset("a map"), "lanes")
    finally:
        plots.registry.pop("lanes")


def test_a_new_file_is_found(tmp_path, monkeypatch, dataset):
    (tmp_path / "new_picture.py").write_text(
        "from eos_jax.plots import register\n"
        "@register('from a file', {'outcome': ()})\n"
        "def from_a_file(dataset, ax):\n    return ax\n"
    )
    monkeypatch.setattr(plots, "__path__", [*plots.__path__, str(tmp_path)])
    plots.discover()
    try:
        assert "from a file" in plots.kinds(dataset("a map"))
    finally:
        plots.registry.pop("from a file")
        sys.modules.pop("eos_jax.plots.new_picture")


@pytest.mark.parametrize("kind", list(plots.registry))
def test_every_picture_says_what_it_shows(kind):
    assert plots.registry[kind].title.endswith((".", ","))


REFUSED = {
    "unknown kind": ("a map", {"kind": "pie"}, "one of sharpness, outcome.*'pie'"),
    "kind that lacks": ("a map", {"kind": "orbits"}, "`orbits` needs `loss` along step.*sharpness"),
    "kind without variable": ("a map", {"kind": "map"}, "needs a `variable`.*sharpness.*none"),
    "unknown variable": ("a map", {"variable": "peek"}, "`variable`.*loss.*'peek'"),
    "unknown option": ("a map", {"kind": "outcome", "cmap": "magma"}, "no option `cmap`"),
    "unknown colour map": ("a map", {"cmap": "nice"}, "`cmap`.*'nice'"),
    "unknown dimension": ("a map", {"sel": {"z": 1}}, "among x, y, but got `z`"),
    "beyond an axis": ("a map", {"sel": {"x": 7.0}}, "`x` goes from 0 to 4, but got 7"),
    "beyond an index": ("a map", {"isel": {"x": 21}}, "`x` has 21 values.*21"),
    "empty selection": ("a map", {"sel": {"x": slice(7, 8)}}, "Nothing is left"),
    "unknown facet": ("a map", {"facet": "z"}, "`facet` must be one of x, y.*'z'"),
    "unknown colour": ("one in ten", {"colour": "z"}, "`colour` must be one of eta.*'z'"),
    "no plane": ("a network", {"kind": "orbit"}, "plane of two parameters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_drawn_is_one_sentence(case, dataset):
    name, arguments, words = REFUSED[case]
    with pytest.raises(ValueError, match=words) as error:
        plots.draw(dataset(name), **arguments)
    assert "\n" not in str(error.value)


def test_four_dimensions_ask_for_a_selection():
    axes = {name: [0.1, 0.2] for name in ("x", "y", "eta", "momentum")}
    data = eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 3, rule=eos.rules.heavy_ball())
    with pytest.raises(ValueError, match=r"x, y, eta, momentum; select first"):
        plots.draw(data)
    assert len(plots.draw(data, isel={"momentum": 0}).axes) >= 2
