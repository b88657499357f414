"""What is damaged or lost in a store: metadata, labels, every chunk.

Chunks carry checksums, so damage is found by reading them; a chunk that is not there would read as
its fill value, so what should be there is counted.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore

from eos_jax.results import metadata, places
from eos_jax.results.metadata import ROOT, Array, Group
from eos_jax.results.places import Place, as_store


def damaged(place: Place) -> list[str]:
    """Check metadata, labels and every chunk; tiles with a damaged one are marked as not done.

    Args:
      place: the store.

    Returns:
      One line for each thing that is damaged or lost. Running the sweep again repairs them.

    Raises:
      FileNotFoundError: if nothing is there.
      FileExistsError: if it is not a result of eos_jax, or holds links.
    """
    store = as_store(place)
    found = metadata.of_result(place, store)
    known = metadata.sound_arrays(place, store, found)
    bad = list(_bad_metadata(store, found, known))
    with metadata.sound(place):
        group = zarr.open_group(store, mode="r", use_consolidated=bool(found.arrays))
        opened: dict[str, Any] = {name: group[name] for name in known}
    outcome = known.get("outcome")
    labels = _in_no_tile(found, known)
    for name in sorted(labels):
        here = metadata.written(store, name, len(known[name].shape))
        bad += _bad_chunks(name, opened[name], known[name], here)
    if outcome is None:  # of a figure: no tiles
        return bad
    lanes = len(outcome.shape)
    results = sorted(set(known) - labels)
    there = {name: metadata.written(store, name, lanes) for name in results}
    inside = {i for i in set().union(*there.values()) if outcome.has(i)}
    for index in sorted(inside):
        tile = outcome.tile(index)
        errors = _errors(opened, there, index, tile)
        bad += [
            f"{name}, tile {tile.start} to {tile.stop}: {error}" for name, error in errors.items()
        ]
        if errors:
            places.remove(store, f"outcome/{opened['outcome'].metadata.encode_chunk_key(index)}")
    return bad


def _bad_metadata(store, found: Group, known) -> Iterator[str]:
    if "configuration_sha256" in found.attrs and not metadata.configuration_holds(found.attrs):
        yield f"{ROOT}: the configuration is not the one that its hash is of"
    for name, array in known.items():
        own = metadata.own(store, name)
        if own is None:
            yield f"{name}/{ROOT}: lost or no metadata"
        elif found.raw and own != found.raw[name]:
            yield f"{name}/{ROOT}: differs from the copy in the group's"
        if not array.little:
            yield f"{name}/{ROOT}: bytes in another order"
        if "crc32c" not in array.codecs and 0 not in array.shape:
            yield f"{name}/{ROOT}: chunks without a checksum"


def lost(store: Store, found: Group, known: dict[str, Array]) -> str:
    """The first part of a result that is not there though it was written; "" if all is.

    A lost chunk would read as its fill value, which for a label is a number like any other.
    """
    if isinstance(store, FsspecStore):  # listing may be slow there, or not be offered
        return ""
    outcome = known.get("outcome")
    labels = _in_no_tile(found, known)
    for name in sorted(labels):
        if _missing(known[name], metadata.written(store, name, len(known[name].shape))):
            return f"a part of `{name}`"
    if outcome:
        lanes = len(outcome.shape)
        done = metadata.written(store, "outcome", lanes)  # first: a writer may be at work
        for name in sorted(set(known) - labels):
            if done - metadata.written(store, name, lanes):
                return f"a part of `{name}`"
    return ""


def _in_no_tile(found: Group, known: dict[str, Array]) -> set[str]:
    """What is said of all lanes together: labels, and what an instrument sums up."""
    outcome = known.get("outcome")
    if outcome is None:
        return set(known)
    lanes = len(outcome.shape)
    whole = {name for name, array in known.items() if array.shape[:lanes] != outcome.shape}
    return whole | metadata.coordinates(found, known)


def _missing(array: Array, there: set[tuple[int, ...]]) -> int:
    """How many chunks of an array of which all should be there are not."""
    return math.prod(array.grid) - len([i for i in there if array.has(i)])


def _bad_chunks(name, array, known, there) -> Iterator[str]:
    missing = _missing(known, there)
    if missing:
        yield f"{name}: {'a chunk is' if missing == 1 else f'{missing} chunks are'} missing"
    for index in sorted(there):
        if known.has(index) and (error := _damage(array, known.tile(index).slices)):
            yield f"{name}: {error}"


def _errors(opened, there, index, tile) -> dict[str, str]:
    """What is wrong with one tile, by the variable."""
    errors = {}
    for name in there:
        if index in there[name] and (error := _damage(opened[name], tile.slices)):
            errors[name] = error
    done = index in there["outcome"] and "outcome" not in errors
    if done and np.any(opened["outcome"][tile.slices] != 0):
        # a lost chunk reads as its fill value, which is no error
        errors |= {name: "the chunk is missing" for name in there if index not in there[name]}
    return errors


def _damage(array: zarr.Array, part: tuple[slice, ...]) -> str | None:
    """What is wrong with a part of an array, if anything is."""
    try:
        array[part]
        return None
    except Exception as error:  # whatever a damaged chunk raises
        return f"{error}" or type(error).__name__
