"""Tiles on disk: one Zarr v3 group that `xarray.open_zarr` opens as it is.

Rules that make a sweep safe to stop at any moment and to start again:

- metadata and coordinates are written once, before the first tile, in one rename;
- a tile is one chunk of every variable, so writers never share a chunk;
- `outcome` is written last, and its fill value is never a result: a tile whose outcome is there is
  done, and no list of done tiles has to be kept;
- every chunk carries a CRC32C checksum, so damage is found instead of read;
- the group records configuration, versions, platform and flags; a store of another configuration
  is refused.
"""

import contextlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from eos_jax.results.labels import Layout
from eos_jax.results.provenance import MATCHING
from eos_jax.run.grid import Tile, tiles


def create(
    path: str | os.PathLike, plan: Layout, block: tuple[int, ...], force: bool = False
) -> tuple[int, ...]:
    """Create the store of a layout, or check that the one there is of the same configuration.

    Args:
      path: the store's folder; its parents are made.
      plan: the layout of the result.
      block: shape of a tile.
      force: accept a store written by other versions or on another platform. Another configuration
        is never accepted: one store would hold two results.

    Returns:
      Shape of the store's tiles: `block`, or that of the store found there.

    Raises:
      FileExistsError: if something else is there, or a result of another configuration.
    """
    path = Path(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            _write_metadata(scratch, plan, block)
            scratch.chmod(0o755)
            os.rename(scratch, path)
            return block
        except OSError:
            if not path.exists():
                raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    group = _open(path)
    arrays = dict(group.arrays())
    outcome = arrays["outcome"]
    matching = ("configuration",) if force else MATCHING
    _refuse_other(path, dict(group.attrs), plan.attrs, matching)
    if outcome.shape != plan.variables["outcome"].shape:
        raise FileExistsError(f"Output `{path}` has shape {outcome.shape}; choose another output.")
    _refuse_links(path)
    for name, (_, values, _) in plan.coords.items():
        if _damage(arrays[name]):
            arrays[name][...] = np.asarray(values)
    return outcome.chunks


def _refuse_links(path) -> None:
    for found in Path(path).rglob("*"):
        if found.is_symlink():
            raise FileExistsError(f"Output `{path}` holds a link, `{found}`; it is not written to.")


def _damage(array: zarr.Array, part=...) -> str | None:
    """What is wrong with a part of an array, if anything is."""
    try:
        array[part]
        return None
    except Exception as error:  # whatever a damaged chunk raises
        return f"{error}" or type(error).__name__


def _loss(array: zarr.Array) -> str | None:
    """What is wrong with an array of which every chunk was written, if anything is."""
    return _damage(array) or ("a chunk is missing" if array.nchunks_initialized < array.nchunks
                              else None)  # fmt: skip


def _write_metadata(path: Path, plan: Layout, block) -> None:
    # xarray's convention for coordinates that are not dimensions, such as a single eta
    others = " ".join(name for name in plan.coords if name not in plan.variables["outcome"].dims)
    attrs = {**plan.attrs, **({"coordinates": others} if others else {})}
    group = zarr.create_group(path, attributes=attrs, zarr_format=3)
    for name, (dims, values, attrs) in plan.coords.items():
        values = np.asarray(values)
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=tuple(max(1, n) for n in values.shape),
            dimension_names=dims,
            attributes=attrs,
            compressors=[Crc32cCodec()],
            fill_value=0,
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
        zarr.consolidate_metadata(path)


@contextlib.contextmanager
def _consolidating():
    """Metadata in one place, which `xr.open_zarr(path)` looks for first and else warns about.

    Zarr v3 does not specify it yet and says so; readers that do not know it ignore it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        yield


def save(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Write a dataset that is in memory, in place of what is there; `open_dataset` opens it.

    Each variable is one chunk with a checksum, as if the whole were one tile. It is written beside
    and renamed when it is whole.

    Args:
      dataset: with a `configuration` among its attributes, as results have.
      path: where to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        _write(dataset, Path(scratch, "new"))
        if path.exists():
            os.rename(path, Path(scratch, "old"))
        os.rename(Path(scratch, "new"), path)


def _write(dataset: xr.Dataset, path: Path) -> None:
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
            path, mode="w", zarr_format=3, consolidated=True, encoding=encoding,
            write_empty_chunks=True,
        )  # fmt: skip


def check_replaceable(path: str | os.PathLike, configuration: str | None = None) -> None:
    """Raise unless nothing is at a path, or a result, of the configuration if one is given.

    Raises:
      FileExistsError: if something else is there, or a result of another configuration.
    """
    path = Path(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    found = dict(_open(path, needed=()).attrs)
    if configuration is not None:
        _refuse_other(path, found, {"configuration": configuration}, ("configuration",))


def _open(path: str | os.PathLike, needed: tuple[str, ...] = ("outcome",)) -> zarr.Group:
    """The group of a result; raises unless it is one, with the variables needed."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"Store `{path}` does not exist.")
    try:
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        json.loads(str(group.attrs["configuration"]))
        for name in needed:
            group[name]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FileExistsError(
            f"`{path}` exists and is not a result of eos_jax ({type(error).__name__})."
        ) from None
    return group


def _refuse_other(path, found, wanted, matching) -> None:
    old, new = ({k: a.get(k) for k in matching} for a in (found, wanted))
    for attrs in (old, new):
        attrs["configuration"] = json.loads(attrs["configuration"])
    old, new = _flat(old), _flat(new)
    differing = [
        f"{field}: {old.get(field)} there, {new.get(field)} now"
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    ]
    if differing:
        raise FileExistsError(
            f"Output `{path}` is a result of another configuration ({'; '.join(differing)}); "
            "choose another output."
        )


def _flat(tree, prefix="") -> dict:
    """A nested dict as one level with dotted keys."""
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def pending(path: str | os.PathLike, candidates: Iterable[Tile]) -> list[Tile]:
    """The tiles whose outcome is not there, or cannot be read."""
    outcome = dict(_open(path).arrays())["outcome"]

    def done(tile):
        try:
            return np.all(outcome[tile.slices] != 0)
        except Exception:  # whatever a damaged chunk raises, the tile has to be done again
            return False

    return [tile for tile in candidates if not done(tile)]


def writer(path: str | os.PathLike) -> Callable[[Tile, dict[str, np.ndarray]], None]:
    """A function that writes the results of one tile, `outcome` last."""
    # Zarr forgets this setting, without which a chunk that is all fill would be taken for lost
    arrays = {
        name: array.with_config({"write_empty_chunks": True})
        for name, array in _open(path).arrays()
    }
    chunks = arrays["outcome"].chunks

    def write(tile: Tile, results: dict[str, np.ndarray]) -> None:
        # a write that is not aligned to chunks would pass silently and race with its neighbours
        if any(a % c for a, c in zip(tile.start, chunks)):
            raise ValueError(f"Tile {tile} is not aligned to the store's chunks {chunks}.")
        for name in sorted(results, key=lambda name: name == "outcome"):
            arrays[name][tile.slices] = results[name]

    return write


def damaged(path: str | os.PathLike) -> list[str]:
    """Check every chunk; tiles with a damaged one are marked as not done.

    Args:
      path: the store.

    Returns:
      One line for each damaged chunk. Running the sweep again repairs them.

    Raises:
      FileNotFoundError: if nothing is there.
      FileExistsError: if it is not a result of eos_jax, or holds links.
    """
    group = _open(path, needed=())
    _refuse_links(path)
    arrays = dict(group.arrays())
    if "outcome" not in arrays:  # of a figure: no tiles
        return [f"{name}: {error}" for name in arrays if (error := _loss(arrays[name]))]
    outcome = arrays["outcome"]
    dims: Any = outcome.metadata.to_dict().get("dimension_names") or ()
    # ours are named by the group, those of `save` by each variable too
    named = " ".join(str(each.attrs.get("coordinates", "")) for each in (group, *arrays.values()))
    labels = {*dims, *named.split()} & set(arrays)
    # what is said of all lanes together is in no tile
    whole = {name for name in set(arrays) - labels
             if arrays[name].shape[: outcome.ndim] != outcome.shape}  # fmt: skip
    results = set(arrays) - labels - whole
    found = [f"{name}: {error}" for name in labels if (error := _damage(arrays[name]))]
    found += [f"{name}: {error}" for name in sorted(whole) if (error := _loss(arrays[name]))]
    for tile in tiles(outcome.shape, outcome.chunks):
        errors = {name: _damage(arrays[name], tile.slices) for name in results}
        if not errors["outcome"] and np.any(outcome[tile.slices] != 0):
            # a lost chunk reads as its fill value, which is no error
            index = [a // c for a, c in zip(tile.start, outcome.chunks)]
            for name in results:
                chunk = (*index, *[0] * (arrays[name].ndim - outcome.ndim))
                if not (Path(path) / name / arrays[name].metadata.encode_chunk_key(chunk)).exists():
                    errors[name] = "the chunk is missing"
        bad = [
            f"{name}, tile {tile.start} to {tile.stop}: {error}"
            for name, error in sorted(errors.items())
            if error
        ]
        if bad:
            outcome[tile.slices] = np.zeros(tile.shape, np.uint8)
        found += bad
    return found


def open_dataset(path: str | os.PathLike) -> xr.Dataset:
    """A result as a dataset, read as it is used.

    Args:
      path: folder of the store, as was given to a sweep as `out`, or the data of a figure that
        `eos-jax reproduce` made.

    Returns:
      The dataset that the sweep returned, or as much of it as is done; where it is not,
      `outcome` is 0.

    Raises:
      FileNotFoundError: if nothing is there.
      FileExistsError: if it is not a result of eos_jax.

    Example:
      >>> import eos_jax as eos, tempfile
      >>> obj, folder = eos.objectives.scalar_product((2, 2)), tempfile.mkdtemp()
      >>> ds = eos.sweep(obj, {"x": [2.0, 2.5], "y": 0.4, "eta": 0.2}, steps=9, out=folder)
      >>> eos.open(folder).equals(ds)
      True
    """
    _open(path, needed=())
    found = xr.open_zarr(path, chunks=None, consolidated=False, mask_and_scale=False)
    names = str(found.attrs.get("order", "")).split()
    names += [name for name in found.variables if name not in names]
    return xr.Dataset(
        {name: found[name] for name in names if name in found.data_vars},
        coords={name: found.coords[name] for name in names if name in found.coords},
        attrs=found.attrs,
    )
