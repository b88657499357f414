"""Exports: other programs read what the result holds, every digit of it."""

import csv
import importlib.util
import signal

import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax import cli
from eos_jax.results import export

PRODUCT = eos.objectives.scalar_product((2, 2))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "a.zarr"
    axes = {"x": np.linspace(1, 7, 5), "y": [0.3, 0.4], "eta": 0.2}
    eos.sweep(PRODUCT, axes, 200, out=path, tile=4, progress=False)
    return path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def same(row, name, value):
    return row[name] == "" if np.isnan(value) else float(row[name]) == value


def test_a_row_of_csv_is_a_lane(store, tmp_path, monkeypatch):
    data = eos.open(store).load()
    for slab in (1, 2**16):  # the last is all at once
        monkeypatch.setattr(export, "_ROWS", slab)
        export.write(eos.open(store), tmp_path / "deep" / "a.csv")
        rows = rows_of(tmp_path / "deep" / "a.csv")
        assert len(rows) == 10
        assert list(rows[0]) == [
            "x",
            "y",
            "eta",
            "outcome",
            "steps",
            *sorted({*data.data_vars} - {"outcome", "steps"}),
        ]
        for row in rows:
            lane = data.sel(x=float(row["x"]), y=float(row["y"]))
            assert row["outcome"] == eos.Outcome(int(lane.outcome)).name.lower()
            for name in ("loss", "sharpness", "threshold", "x_final", "steps", "eta"):
                assert same(row, name, float(lane[name])), name
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.csv"]


def test_a_row_of_csv_is_a_step_of_an_orbit(tmp_path):
    data = eos.orbits(PRODUCT, {"x": 2.5, "y": 0.4, "eta": [0.1, 0.2]}, 5)
    export.write(data, tmp_path / "a.csv")
    rows = rows_of(tmp_path / "a.csv")
    assert len(rows) == 12
    for row in rows:
        one = data.sel(eta=float(row["eta"]), step=int(row["step"]))
        assert float(row["x_orbit"]) == float(one.x_orbit) and float(row["loss"]) == float(one.loss)


def test_arrays_within_a_lane_are_a_column_each_and_float32_is_short(tmp_path):
    model = eos.objectives.fully_connected((2, 1), bias=False, data=(np.eye(2), np.ones((2, 1))))
    start = {"W1": np.array([[0.1, 0.7]]), "eta": [0.1, 0.2]}
    data = eos.sweep(model, start, 3, dtype="float32")
    export.write(data, tmp_path / "a.csv")
    rows = rows_of(tmp_path / "a.csv")
    assert len(rows) == 2
    for row, eta in zip(rows, data.eta):
        for i in range(2):
            assert np.float32(row[f"W1_final[0][{i}]"]) == data.W1_final.sel(eta=eta).values[0, i]
    assert rows[0]["eta"] == "0.1"


def test_one_lane_is_one_row(tmp_path):
    export.write(eos.sweep(PRODUCT, {"x": 2.0, "y": 0.4, "eta": 0.2}, 50), tmp_path / "a.csv")
    (row,) = rows_of(tmp_path / "a.csv")
    assert row["outcome"] == "converged" and row["x"] == "2.0"


@pytest.mark.parametrize("engine", ["scipy", "h5netcdf"])
def test_netcdf_holds_the_same_values_and_labels(engine, store, tmp_path, monkeypatch):
    needed = (engine, "h5py") if engine == "h5netcdf" else (engine,)
    for package in needed:
        pytest.importorskip(package)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: found(name, *a) if name in needed else None
    )
    export.write(eos.open(store), tmp_path / "a.nc")
    monkeypatch.undo()
    data = eos.open(store).load()
    with xr.open_dataset(tmp_path / "a.nc", engine=engine) as read:
        assert set(read.variables) == set(data.variables)
        for name in data.variables:
            np.testing.assert_array_equal(read[name], data[name], err_msg=str(name))
        assert read.attrs["configuration"] == data.attrs["configuration"]
        assert read.outcome.attrs["flag_meanings"] == data.outcome.attrs["flag_meanings"]


def test_without_a_netcdf_library_it_is_said_which(store, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None)
    with pytest.raises(ValueError, match=r"install eos_jax\[export\]"):
        export.write(eos.open(store), tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_the_command(store, tmp_path, capsys):
    before = signal.getsignal(signal.SIGTERM)
    try:
        cli.main(["export", str(store), "--out", str(tmp_path / "a.csv")])
        assert len(rows_of(tmp_path / "a.csv")) == 10
        for arguments, words in (
            ([str(store), "--out", str(tmp_path / "a.xlsx")], ["a.xlsx", ".nc", ".csv"]),
            ([str(tmp_path / "none"), "--out", str(tmp_path / "b.csv")], ["none"]),
            ([str(store)], ["--out"]),
        ):
            capsys.readouterr()
            with pytest.raises(SystemExit) as stop:
                cli.main(["export", *arguments])
            line = capsys.readouterr().err
            assert stop.value.code == 2 and line.count("\n") == 1
            assert all(word in line for word in words), line
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
