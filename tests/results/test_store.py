"""Stores: opened by anyone in one line, equal to memory, sound after kills, damage and mix-ups."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import eos_jax as eos
from eos_jax.results import store, verify

pytestmark = pytest.mark.optimised

AXES = {"x": np.linspace(2.0, 3.6, 30), "y": np.linspace(0.1, 0.7, 8), "eta": 0.2}
STEPS = 120
TILE = 56  # seven rows of eight: the last tile is smaller


def write(out, objective=None, axes=AXES, steps=STEPS, tile=TILE, **kwargs):
    objective = objective or eos.objectives.scalar_product((2, 2))
    return eos.sweep(objective, axes, steps, out=out, tile=tile, **kwargs)


def chunks(out, name="*"):
    return sorted(p for p in out.glob(f"{name}/c/**/*") if p.is_file())


def contents(out):
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    out = tmp_path_factory.mktemp("stores") / "sound"
    write(out)
    return out


@pytest.fixture
def copy(sound, tmp_path):
    out = tmp_path / "copy"
    subprocess.run(["cp", "-a", sound, out], check=True)
    return out


# As others see it --------------------------------------------------------------------------------


def test_it_opens_in_one_line_and_equals_the_sweep_in_memory(sound):
    memory = eos.sweep(eos.objectives.scalar_product((2, 2)), AXES, STEPS)
    for opened in (xr.open_zarr(sound), store.open_dataset(sound)):
        xr.testing.assert_identical(opened.load(), memory)
        assert opened.outcome.dtype == np.uint8
        assert list(opened.attrs) == list(memory.attrs)


@pytest.mark.parametrize("case", ["scalar eta", "zip", "one lane", "float32", "arrays"])
def test_every_layout_equals_memory(case, tmp_path):
    objective, axes, kwargs = eos.objectives.scalar_product((2, 2)), dict(AXES), {}
    if case == "zip":
        axes = {"x": AXES["x"], "y": np.linspace(0.1, 0.7, 30), "eta": np.linspace(0.1, 0.2, 30)}
        kwargs = {"combine": "zip"}
    elif case == "one lane":
        axes = {"x": 2.0, "y": 0.4, "eta": 0.2}
    elif case == "float32":
        kwargs = {"dtype": "float32"}
    elif case == "arrays":
        objective = eos.objectives.from_function(lambda v: (v * v).sum(), shapes={"v": (3,)})
        axes = {"v": np.arange(12.0).reshape(4, 3), "eta": [0.1, 0.2]}
    stored = write(tmp_path / "s", objective, axes, 20, 7, **kwargs)
    memory = eos.sweep(objective, axes, 20, **kwargs)
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "s").load(), memory)
    xr.testing.assert_identical(stored.load(), memory)


def test_flags_and_checksums_are_in_the_metadata(sound):
    meta = json.loads((sound / "outcome" / "zarr.json").read_text())
    assert meta["attributes"]["flag_values"] == list(range(8))
    assert meta["attributes"]["flag_meanings"].split()[:3] == ["pending", "converged", "diverged"]
    assert meta["fill_value"] == 0
    arrays = [p.parent for p in sound.glob("*/zarr.json")]
    assert len(arrays) == 11
    for array in arrays:
        meta = json.loads((array / "zarr.json").read_text())
        assert "crc32c" in [codec["name"] for codec in meta["codecs"]], array.name


def test_a_store_says_how_it_was_made(sound):
    attrs = xr.open_zarr(sound).attrs
    configuration = json.loads(attrs["configuration"])
    assert configuration["objective"]["multiplicities"] == [2, 2]
    assert configuration["steps"] == STEPS
    assert configuration["stop"] == {"tolerance": 1e-12, "escape": 1e6}
    for key in ("configuration_sha256", "jax_version", "numpy_version", "platform", "dtype"):
        assert attrs[key]


def test_one_chunk_of_every_variable_for_each_tile(sound):
    for name in ("outcome", "steps", "loss", "threshold", "sharpness_minimum", "x_final"):
        assert len(chunks(sound, name)) == 5
        meta = json.loads((sound / name / "zarr.json").read_text())
        assert meta["chunk_grid"]["configuration"]["chunk_shape"] == [7, 8]


def test_nothing_is_left_beside_the_store(tmp_path):
    write(tmp_path / "s", steps=5)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


# Resuming (R1, R4) -------------------------------------------------------------------------------


def test_lost_tiles_are_written_again_byte_for_byte(sound, copy):
    before = contents(sound)
    for k, chunk in enumerate(chunks(copy, "outcome")):
        if k in (0, 2, 4):
            chunk.unlink()
            for other in (
                "loss",
                "x_final",
            ):  # as after a kill: some of the data may be missing too
                (copy / other / chunk.relative_to(copy / "outcome")).unlink()
    assert contents(copy) != before
    write(copy)
    assert contents(copy) == before


def test_what_is_done_is_not_done_again(copy):
    before = {p: p.stat().st_mtime_ns for p in chunks(copy)}
    chunks(copy, "outcome")[1].unlink()
    write(copy)
    again = {p for p in chunks(copy) if p.stat().st_mtime_ns != before[p]}
    assert len(again) == 8 and len({p.relative_to(copy).parts[1:] for p in again}) == 1


def test_the_tile_of_a_resumed_store_is_its_own(sound, copy):
    """Asking for another tile does not move chunk borders."""
    chunks(copy, "outcome")[3].unlink()
    write(copy, tile=9)
    assert contents(copy) == contents(sound)


LONG = {"x": np.linspace(0, 4, 160), "y": np.linspace(0, 4, 100), "eta": 0.2}
WRITER = """
import sys, numpy as np, eos_jax as eos
axes = {"x": np.linspace(0, 4, 160), "y": np.linspace(0, 4, 100), "eta": 0.2}
eos.sweep(eos.objectives.scalar_product((2, 2)), axes, 30_000, out=sys.argv[1], tile=400)
"""


@pytest.mark.slow
def test_killed_and_started_again_gives_the_same_bytes(tmp_path):
    """SIGKILL in the middle of writing, then a run to the end."""
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(killed)])
    while process.poll() is None and len(chunks(killed, "outcome")) < 8:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 8 <= len(chunks(killed, "outcome")) < 40
    write(killed, axes=LONG, steps=30_000, tile=400)
    write(tmp_path / "whole", axes=LONG, steps=30_000, tile=400)
    found = {n: b for n, b in contents(killed).items() if ".partial" not in n}
    assert found == contents(tmp_path / "whole")


@pytest.mark.slow
def test_interrupted_politely_it_says_how_to_go_on(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        "steps = 500_000_000\ntile = 64\n"
        "objective = { name = 'scalar_product', multiplicities = 1 }\n"
        # 1/2 (1 - x)^2 with eta just below 2 takes for ever
        "axes = { x = { start = 2.0, stop = 3.0, num = 4096 }, eta = 1.9999999999 }\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "eos_jax.cli", "sweep", str(config), "--out", str(tmp_path / "s")],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "s").exists():
        time.sleep(0.01)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=60)
    assert process.returncode not in (0, 1, 2)
    assert printed.strip().splitlines()[-1].startswith("eos-jax: interrupted; run the same command")
    assert "Traceback" not in printed


# Damage (R6) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["outcome", "steps", "loss"])
@pytest.mark.parametrize("how", ["truncated", "first bit", "middle bit", "last bit", "emptied"])
def test_damage_is_found_named_and_repaired(name, how, sound, copy):
    chunk = chunks(copy, name)[2]
    data = bytearray(chunk.read_bytes())
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "emptied":
        data = b""
    else:
        place = {"first bit": 0, "middle bit": len(data) // 2, "last bit": len(data) - 1}[how]
        data[place] ^= 1 << (place % 8)
    chunk.write_bytes(data)
    if name != "outcome":  # readers that do not ask for a check are not given wrong numbers either
        with pytest.raises(Exception, match=r"."):
            xr.open_zarr(copy)[name].values  # noqa: B018
    (line,) = verify.damaged(copy)
    assert line.startswith(f"{name}, tile (14, 0) to (21, 8)")
    write(copy)
    assert contents(copy) == contents(sound)
    assert verify.damaged(copy) == []


def test_a_lost_chunk_is_found_and_repaired(sound, copy):
    """It reads as its fill value without an error; a tile that was never done is no damage."""
    chunks(copy, "outcome")[0].unlink()
    for lost in (chunks(copy, "loss")[0], chunks(copy, "loss")[3]):
        lost.unlink()
    (line,) = verify.damaged(copy)
    assert line.startswith("loss, tile (21, 0) to (28, 8)") and "missing" in line
    write(copy)
    assert contents(copy) == contents(sound)


def test_a_sound_store_has_no_damage(sound):
    before = contents(sound)
    assert verify.damaged(sound) == []
    assert contents(sound) == before


@pytest.mark.parametrize("name", ["x", "eta"])
def test_damaged_coordinates_are_found(name, copy):
    (chunk,) = [p for p in (copy / name).rglob("c*") if p.is_file()] or chunks(copy, name)
    sound = chunk.read_bytes()
    data = bytearray(chunk.read_bytes())
    data[3] ^= 4
    chunk.write_bytes(data)
    (line,) = verify.damaged(copy)
    assert line.startswith(name)
    write(copy)
    assert chunk.read_bytes() == sound
    assert verify.damaged(copy) == []


@pytest.mark.parametrize("name", ["x", "eta"])
def test_lost_coordinates_are_found(name, copy):
    """They would read as zeros, which are labels like any other."""
    (chunk,) = [p for p in (copy / name).rglob("c*") if p.is_file()] or chunks(copy, name)
    sound = chunk.read_bytes()
    chunk.unlink()
    assert verify.damaged(copy) == [f"{name}: a chunk is missing"]
    write(copy)
    assert chunk.read_bytes() == sound
    assert verify.damaged(copy) == []


# Another configuration (R8) ----------------------------------------------------------------------


def test_another_configuration_is_refused_and_the_field_named(copy):
    before = contents(copy)
    paper, product = eos.objectives.scalar_product((2, 2)), eos.objectives.scalar_product
    x = AXES["x"].copy()
    x[17] += 1e-9
    cases = {
        "steps": {"steps": STEPS + 1},
        "stop.tolerance": {"stop": eos.Stop(tolerance=1e-10)},
        "stop.escape": {"stop": eos.Stop(escape=1e5)},
        "stop": {"stop": None},
        "objective.multiplicities": {"objective": product((2, 1))},
        "rule.name": {"rule": eos.rules.heavy_ball(momentum=0.5)},
        "axes.eta.values": {"axes": {**AXES, "eta": 0.21}},
        "axes.x.sha256": {"axes": {**AXES, "x": x}},
        "axes.x.last": {"axes": {**AXES, "x": np.linspace(2.0, 3.7, 30)}},
        "axes.x.num": {"axes": {**AXES, "x": np.linspace(2.0, 3.6, 31)}},
        "dims": {"axes": {"y": AXES["y"], "x": AXES["x"], "eta": 0.2}},
        "dtype": {"dtype": "float32"},
        "objective.floor": {
            "objective": eos.objectives.from_function(
                lambda x, y: 0.5 * (1 - x * x * y * y) ** 2, floor=-1.0
            )
        },
    }
    for field, change in cases.items():
        arguments = {"objective": paper, "axes": AXES, "steps": STEPS, **change}
        with pytest.raises(FileExistsError, match="another configuration") as refusal:
            write(copy, **arguments)
        assert field in str(refusal.value), field
        assert str(copy) in str(refusal.value)
        with pytest.raises(FileExistsError, match="another configuration"):
            write(copy, **arguments, force=True)  # one store would hold two results
    assert contents(copy) == before


def test_two_functions_of_one_name_are_told_apart(tmp_path):
    def make(power):
        def mine(a):
            return (a - 1.0) ** power

        return eos.objectives.from_function(mine)

    axes = {"a": [0.5, 2.0], "eta": 0.1}
    write(tmp_path / "s", make(2), axes)
    write(tmp_path / "s", make(2), axes)  # the same mathematics: resumed
    with pytest.raises(FileExistsError, match="mathematics_sha256"):
        write(tmp_path / "s", make(4), axes)


def test_another_version_is_refused_unless_forced(copy):
    for field in ("jax_version", "eos_jax_version", "platform", "device", "xla_flags"):
        other = copy.with_name(field)
        subprocess.run(["cp", "-a", copy, other], check=True)
        meta = json.loads((other / "zarr.json").read_text())
        meta["attributes"][field] = "another"
        (other / "zarr.json").write_text(json.dumps(meta))
        with pytest.raises(FileExistsError, match=f"{field}: another there") as refusal:
            write(other)
        assert "force=True" in str(refusal.value)
        assert ("set_process_flags()" in str(refusal.value)) == (field == "xla_flags")
        write(other, force=True)


# What is no store, and hostile ones (R14) --------------------------------------------------------


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    for function in (write, store.open_dataset, verify.damaged):
        with pytest.raises(FileExistsError, match="not a result of eos_jax"):
            function(tmp_path / "mine")
    assert contents(tmp_path / "mine") == {"thesis.tex": b"precious"}


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "s").mkdir()
    write(tmp_path / "s", steps=5)
    assert xr.open_zarr(tmp_path / "s").sizes == {"x": 30, "y": 8}


def test_a_missing_store(tmp_path):
    for function in (store.open_dataset, verify.damaged):
        with pytest.raises(FileNotFoundError, match="nothing"):
            function(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["loss/c", "loss/c/0/0", "outcome", "loss/zarr.json"])
def test_links_in_a_store_are_not_written_through(place, copy, tmp_path):
    outside = tmp_path / "outside"
    (copy / place).rename(outside)
    (copy / place).symlink_to(outside)
    before = contents(outside) if outside.is_dir() else outside.read_bytes()
    for chunk in chunks(copy, "outcome"):
        chunk.unlink()
    if place == "outcome":
        before = contents(outside)
    with pytest.raises(FileExistsError, match="link"):
        write(copy)
    assert (contents(outside) if outside.is_dir() else outside.read_bytes()) == before


def test_a_damaged_store_with_links_is_not_written_through_by_verify(copy, tmp_path):
    outside = tmp_path / "outside"
    (copy / "outcome" / "c").rename(outside)
    (copy / "outcome" / "c").symlink_to(outside)
    chunks(copy, "loss")[0].write_bytes(b"")
    before = contents(outside)
    with pytest.raises(FileExistsError, match="link"):
        verify.damaged(copy)
    assert contents(outside) == before


def test_the_metadata_of_a_store_executes_nothing(sound, copy, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    meta = json.loads((copy / "loss" / "zarr.json").read_text())
    meta["codecs"].append({"name": "pickle", "configuration": {}})
    (copy / "loss" / "zarr.json").write_text(json.dumps(meta))
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["configuration"] = pickle.dumps(Bomb(), protocol=0).decode("latin1")
    (copy / "zarr.json").write_text(json.dumps(root))
    for function in (store.open_dataset, verify.damaged):
        with pytest.raises(FileExistsError):
            function(copy)
    write(copy)
    assert contents(copy) == contents(sound)
    assert not (tmp_path / "executed").exists()


def test_names_that_lead_out_of_the_store_are_refused(tmp_path):
    """A parameter name becomes a folder of the store."""
    for name in ("../evil", "/tmp/evil", "a/b", "..", ".", "", "zarr.json"):
        with pytest.raises(ValueError, match="name"):
            objective = eos.objectives.from_function(lambda p: p[name] ** 2, parameters=(name,))  # noqa: B023
            write(tmp_path / "in" / "s", objective, {name: [1.0], "eta": 0.1})
    assert not any("evil" in p.name for p in tmp_path.rglob("*"))


def test_a_full_disk_leaves_what_was_written(tmp_path, monkeypatch, sound):
    """Running out of space is an OSError, and a later run goes on (R5)."""
    real, left = store.writer, [2]

    def writer(path):
        write_tile = real(path)

        def limited(tile, results):
            if left[0] == 0:
                raise OSError(28, "No space left on device", str(path))
            left[0] -= 1
            write_tile(tile, results)

        return limited

    monkeypatch.setattr(store, "writer", writer)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "s")
    assert len(chunks(tmp_path / "s", "outcome")) == 2
    monkeypatch.undo()
    write(tmp_path / "s")
    assert contents(tmp_path / "s") == contents(sound)


def test_rules_that_differ_in_their_threshold_are_told_apart(tmp_path):
    """The same steps, but another idea of which minima are stable."""
    plain = eos.rules.gradient_descent()
    write(tmp_path / "s", rule=plain)
    with pytest.raises(FileExistsError, match="mathematics_sha256"):
        other = dataclasses.replace(plain, threshold=lambda sample: 3 / sample.hyper["eta"])
        write(tmp_path / "s", rule=other)
