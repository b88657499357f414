"""Tiles on disk: one Zarr v3 group that `xarray.open_zarr` opens as it is.

Rules that make a sweep safe to stop at any moment and to start again:

- all metadata and coordinates follow from the sweep, byte for byte; the group's own, which says
  what the tiles are, is written first and by one writer only; whatever of the rest is not there,
  or is not what it should be, is written again whenever a sweep is begun or resumed;
- a tile is one chunk of every variable, so writers never share a chunk;
- `outcome` is written last, and its fill value is never a result: a tile whose outcome is there is
  done, and no list of done tiles has to be kept;
- every chunk carries a CRC32C checksum, so damage is found instead of read;
- the group records configuration, versions, platform and flags; a store of another configuration
  is refused.
"""

import contextlib
import json
import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import zarr
from zarr.abc.store import Store
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import MemoryStore

from eos_jax.results import metadata, places, verify
from eos_jax.results.labels import Layout
from eos_jax.results.metadata import ROOT, Group
from eos_jax.results.places import Place, as_store
from eos_jax.results.provenance import MATCHING
from eos_jax.run.grid import Tile

_COORDINATES = 2**24  # values in a chunk of a coordinate

_AT_ONCE = 2**22  # lanes whose outcomes are read at once

_LAST = 100  # tiles that a rate is measured by

_CIRCUMSTANCES = (*(name for name in MATCHING if name not in ("configuration", "dtype")),
                  "numpy_version", "engine_reason")  # fmt: skip
"""What a store keeps of the run that began it, though another may go on with it."""


def create(
    place: Place, plan: Layout, block: tuple[int, ...], force: bool = False
) -> tuple[int, ...]:
    """Create the store of a layout, or check and mend the one there, of the same configuration.

    Args:
      place: the store's folder, whose parents are made, or URL.
      plan: the layout of the result.
      block: shape of a tile.
      force: accept a store written by other versions or on another platform. Another configuration
        is never accepted: one store would hold two results.

    Returns:
      Shape of the store's tiles: `block`, or that of the store found there.

    Raises:
      FileExistsError: if something else is there, or a result of another configuration.
    """
    store = as_store(place)
    found = _readable(store)
    if found is None:
        block = _block_of_orphan(place, store, plan) or block
        root = rendered(plan, block)[ROOT]
        # whoever is first decides on the tiles; a root that cannot be read is no root
        (places.put_first if places.read(store, ROOT) is None else places.put)(store, ROOT, root)
        found = metadata.of_result(place, store)
    block = _agreed(place, found, plan, force)
    kept = {name: found.attrs[name] for name in _CIRCUMSTANCES if name in found.attrs}
    for key, data in rendered(plan._replace(attrs={**plan.attrs, **kept}), block).items():
        if places.read(store, key) != data:
            places.put(store, key, data)
    places.sweep_up(store)
    return block


def agreed(place: Place, plan: Layout, force: bool = False) -> tuple[int, ...] | None:
    """Shape of the tiles of the store of this layout; None if there is none. Nothing is written.

    Raises:
      FileExistsError: as `create`.
    """
    store = as_store(place)
    found = _readable(store)
    if found is None:
        return _block_of_orphan(place, store, plan)
    return _agreed(place, found, plan, force)


def _agreed(place, found: Group, plan: Layout, force: bool) -> tuple[int, ...]:
    """Shape of the tiles of a store; raises unless it is of this layout."""
    _refuse_other(place, found.attrs, plan.attrs, ("configuration",) if force else MATCHING)
    outcome = found.arrays.get("outcome")
    if outcome is None or outcome.shape != plan.variables["outcome"].shape:
        shape = outcome and outcome.shape
        raise FileExistsError(f"Output `{place}` has shape {shape}; choose another output.")
    return outcome.chunks


def _readable(store: Store) -> Group | None:
    """The metadata of a result, if they are sound as far as they themselves can tell."""
    try:
        found = metadata.group(store)
    except ValueError:
        return None
    recorded = found is not None and "configuration_sha256" in found.attrs
    return None if recorded and not metadata.configuration_holds(found.attrs) else found


def _block_of_orphan(place, store, plan) -> tuple[int, ...] | None:
    """The tiles of a store whose group is lost; None for a place where nothing is."""
    if next(iter(places.keys(store)), None) is None:
        return None
    document = metadata.own(store, "outcome")
    try:
        outcome = metadata.array("outcome", document)
    except ValueError:
        outcome = None
    same = plan.attrs["configuration_sha256"]
    if outcome is None or outcome.attrs.get("configuration_sha256") != same:
        raise FileExistsError(f"`{place}` exists and is not a result of eos_jax.")
    return outcome.chunks


def rendered(plan: Layout, block: tuple[int, ...]) -> dict[str, bytes]:
    """Every key of a store but those of its tiles, with its bytes; the group's own is the last."""
    store = MemoryStore()
    _write_metadata(store, plan, block)
    found = {key: value.to_bytes() for key, value in store._store_dict.items()}
    return {**{key: found[key] for key in sorted(found) if key != ROOT}, ROOT: found[ROOT]}


def _write_metadata(store: Store, plan: Layout, block) -> None:
    # xarray's convention for coordinates that are not dimensions, such as a single eta
    others = " ".join(name for name in plan.coords if name not in plan.variables["outcome"].dims)
    attrs = {**plan.attrs, **({"coordinates": others} if others else {})}
    group = zarr.create_group(store, attributes=attrs, zarr_format=3)
    for name, (dims, values, attrs) in plan.coords.items():
        values = np.asarray(values)
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=tuple(min(max(1, n), _COORDINATES) for n in values.shape),
            dimension_names=dims,
            attributes=attrs,
            compressors=[Crc32cCodec()],
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        array[...] = values
    for name, variable in plan.variables.items():
        group.create_array(
            name,
            shape=variable.shape,
            dtype=variable.dtype,
            chunks=block + variable.shape[len(block) :],
            dimension_names=variable.dims,
            attributes={k: v.tolist() if isinstance(v, np.ndarray) else v
                        for k, v in variable.attrs.items()},
            compressors=[
                BloscCodec(cname="lz4", clevel=5, shuffle="shuffle",
                           typesize=variable.dtype.itemsize),
                Crc32cCodec(),
            ],
            fill_value=variable.fill,
            config={"write_empty_chunks": True},
        )  # fmt: skip
    with _consolidating():
        zarr.consolidate_metadata(store)


@contextlib.contextmanager
def _consolidating():
    """Metadata in one place, which `xr.open_zarr(path)` looks for first and else warns about.

    Zarr v3 does not specify it yet and says so; readers that do not know it ignore it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        yield


def save(dataset: xr.Dataset, place: Place) -> None:
    """Write a dataset that is in memory, in place of what is there; `open_dataset` opens it.

    Each variable is one chunk with a checksum, as if the whole were one tile. It is written beside
    and renamed when it is whole.

    Args:
      dataset: with a `configuration` among its attributes, as results have.
      place: where to.

    Raises:
      FileExistsError: if something else than a result is there.
    """
    store = as_store(place)
    if _readable(store) is None and next(iter(places.keys(store)), None) is not None:
        raise FileExistsError(f"`{place}` exists and is not a result of eos_jax.")
    folder = places.local(store)
    if folder is None:
        _write(dataset, store)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        _write(dataset, as_store(Path(scratch, "new")))
        if folder.exists():
            os.rename(folder, Path(scratch, "old"))
        os.rename(Path(scratch, "new"), folder)


def _write(dataset: xr.Dataset, store: Store) -> None:
    encoding: dict[Any, dict[str, Any]] = {
        name: {
            "chunks": values.shape,
            "compressors": [BloscCodec(), Crc32cCodec()],
            "_FillValue": None,
        }
        for name, values in dataset.variables.items()
        if values.size
    }
    with _consolidating():
        dataset.drop_encoding().to_zarr(
            store, mode="w", zarr_format=3, consolidated=True, encoding=encoding,
            write_empty_chunks=True,
        )  # fmt: skip


def check_replaceable(place: Place, configuration: str | None = None) -> None:
    """Raise unless nothing is at a place, or a result, of the configuration if one is given.

    Args:
      place: where something is to be saved.
      configuration: that of what is to be saved.

    Raises:
      FileExistsError: if something else is there, or a result of another configuration.
    """
    store = as_store(place)
    if next(iter(places.keys(store)), None) is None:
        return
    found = metadata.of_result(place, store)
    if configuration is not None:
        _refuse_other(place, found.attrs, {"configuration": configuration}, ("configuration",))


def _refuse_other(place, found, wanted, matching) -> None:
    old, new = ({k: a.get(k) for k in matching} for a in (found, wanted))
    for attrs in (old, new):
        attrs["configuration"] = json.loads(attrs["configuration"])
    old, new = _flat(old), _flat(new)
    differing = [
        f"{field}: {old.get(field)} there, {new.get(field)} now"
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    ]
    if not differing:
        return
    if any(field.startswith("configuration.") for field in differing):
        raise FileExistsError(
            f"Output `{place}` is a result of another configuration ({'; '.join(differing)}); "
            "choose another output."
        )
    flags = (
        "; the command's options of XLA are set by eos_jax.set_process_flags(), first thing"
        if any(field.startswith("xla_flags:") for field in differing)
        else ""
    )
    raise FileExistsError(
        f"Output `{place}` was begun under other circumstances ({'; '.join(differing)}), in which "
        f"results may differ in the last bits; go on with force=True, or --force{flags}."
    )


def _flat(tree, prefix="") -> dict:
    """A nested dict as one level with dotted keys."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def pending(place: Place) -> np.ndarray:
    """Numbers of the tiles of which a chunk is lost or the outcome cannot be read, in order."""
    store = as_store(place)
    found = metadata.of_result(place, store)
    results = set(found.arrays) - metadata.coordinates(found, found.arrays)
    known = found.arrays["outcome"]
    there = [metadata.written(store, name, len(known.shape)) for name in sorted(results)]
    whole = np.zeros(known.grid, bool)
    for index in set.intersection(*there):
        if known.has(index):
            whole[index] = True
    outcome = zarr.open_array(store, path="outcome", mode="r")
    return np.flatnonzero(~_decided(outcome, known, whole))


def _decided(outcome: Any, known: metadata.Array, whole: np.ndarray) -> np.ndarray:
    """Which of the tiles that are whole have an outcome for every lane, read many at a time."""
    if not known.shape:
        return whole & _is_done(outcome, known.tile(()))
    done, chunk = np.zeros_like(whole), known.chunks[0]
    rows = max(1, _AT_ONCE // (chunk * math.prod(known.shape[1:])))
    for first in range(0, len(whole), rows):
        part = whole[first : first + rows]
        if not part.any():
            continue
        try:
            least = outcome[first * chunk : (first + rows) * chunk]
        except Exception:  # one of them is damaged
            for index in np.argwhere(part):
                place = (first + int(index[0]), *map(int, index[1:]))
                done[place] = _is_done(outcome, known.tile(place))
            continue
        for axis, size in enumerate(known.chunks):
            least = np.minimum.reduceat(least, range(0, least.shape[axis], size), axis)
        done[first : first + rows] = part & (least != 0)
    return done


def _is_done(outcome: zarr.Array, tile: Tile) -> bool:
    try:
        return bool(np.all(outcome[tile.slices] != 0))
    except Exception:  # whatever a damaged chunk raises, the tile has to be done again
        return False


class Progress(NamedTuple):
    """How far a store is.

    Attributes:
      tiles: how many there are.
      done: how many of them are there.
      lanes: in those that are there.
      since: seconds since the last one was written; None where files have no times.
      rate: lanes per second while the last ones were written; None where that cannot be said.
    """

    tiles: int
    done: int
    lanes: int
    since: float | None
    rate: float | None


def progress(place: Place) -> Progress | None:
    """How far a store is, by what lies there and since when; None for one without tiles."""
    store = as_store(place)
    found = metadata.of_result(place, store)
    outcome = metadata.sound_arrays(place, store, found).get("outcome")
    if outcome is None:
        return None
    there = _tiles_there(store, outcome)
    lanes = sum(math.prod(outcome.tile(index).shape) for index in there)
    times = np.sort(places.times(store, "outcome/"))[-_LAST:]
    since = max(time.time() - times[-1], 0.0) if len(times) else None
    span = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    rate = lanes / len(there) * (len(times) - 1) / span if span > 0 else None
    return Progress(math.prod(outcome.grid), len(there), lanes, since, rate)


def rows_written(place: Place) -> list[int]:
    """Where along the first dimension tiles lie of which some are done."""
    store = as_store(place)
    found = metadata.of_result(place, store)
    outcome = metadata.sound_arrays(place, store, found).get("outcome")
    if outcome is None or not outcome.shape:
        return [0]
    return sorted({index[0] * outcome.chunks[0] for index in _tiles_there(store, outcome)})


def _tiles_there(store: Store, outcome: metadata.Array) -> list[tuple[int, ...]]:
    """Which tiles have an outcome, by the index of its chunk."""
    there = metadata.written(store, "outcome", len(outcome.shape))
    return [index for index in there if outcome.has(index)]


def writer(place: Place) -> Callable[[Tile, dict[str, np.ndarray]], None]:
    """A function that writes the results of one tile, `outcome` last."""
    group = zarr.open_group(as_store(place), mode="r+", use_consolidated=True)
    # Zarr forgets this setting, without which a chunk that is all fill would be taken for lost
    arrays = {
        name: array.with_config({"write_empty_chunks": True}) for name, array in group.arrays()
    }
    chunks = arrays["outcome"].chunks

    def write(tile: Tile, results: dict[str, np.ndarray]) -> None:
        # a write that is not aligned to chunks would pass silently and race with its neighbours
        if any(a % c for a, c in zip(tile.start, chunks)):
            raise ValueError(f"Tile {tile} is not aligned to the store's chunks {chunks}.")
        for name in sorted(results, key=lambda name: name == "outcome"):
            arrays[name][tile.slices] = results[name]

    return write


def open_dataset(place: Place) -> xr.Dataset:
    """A result as a dataset, read as it is used.

    Args:
      place: folder or URL of the store, as was given to a sweep as `out`, or the data of a figure
        that `eos-jax reproduce` made.

    Returns:
      The dataset that the sweep returned, or as much of it as is done; where it is not,
      `outcome` is 0.

    Raises:
      FileNotFoundError: if nothing is there.
      FileExistsError: if it is not a result of eos_jax, or a part of it is lost.

    Example:
      >>> import eos_jax as eos, tempfile
      >>> obj, folder = eos.objectives.scalar_product((2, 2)), tempfile.mkdtemp()
      >>> ds = eos.sweep(obj, {"x": [2.0, 2.5], "y": 0.4, "eta": 0.2}, steps=9, out=folder)
      >>> eos.open(folder).equals(ds)
      True
    """
    store = as_store(place)
    found = metadata.of_result(place, store)
    known = metadata.sound_arrays(place, store, found)
    lost = verify.lost(store, found, known)
    if lost:
        raise FileExistsError(
            f"`{place}` has lost {lost}; `eos-jax verify` names all, and the same sweep run again "
            "repairs them."
        )
    # times are steps here, and a number that stands for missing is a number
    with metadata.sound(place):
        opened = xr.open_zarr(
            store, chunks=None, consolidated=bool(found.arrays), mask_and_scale=False,
            decode_times=False,
        )  # fmt: skip
    names = str(opened.attrs.get("order", "")).split()
    names += [name for name in opened.variables if name not in names]
    return xr.Dataset(
        {name: opened[name] for name in names if name in opened.data_vars},
        coords={name: opened.coords[name] for name in names if name in opened.coords},
        attrs=opened.attrs,
    )
