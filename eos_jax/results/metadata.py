"""What a store says of itself, read as text by a stranger: bounded, and nothing is taken on trust.

A group's `zarr.json` holds its attributes and a second copy of the metadata of its arrays. Shapes,
chunks, types and codecs are checked before Zarr allocates or decodes anything by them.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from zarr.abc.store import Store

from eos_jax.results import places
from eos_jax.results.places import Place
from eos_jax.run.grid import Tile

ROOT = "zarr.json"

LARGEST_TEXT = 2**26
"""Bytes of metadata that are read."""

_MOST_VALUES = 2**53
_CODECS = ("bytes", "blosc", "crc32c", "zstd", "gzip", "vlen-utf8")
_SIZES = {"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "int32": 4,
          "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8, "complex64": 8,
          "complex128": 16, "string": 64}  # fmt: skip


class Array(NamedTuple):
    """What an array's metadata says.

    Attributes:
      shape: of the array.
      chunks: shape of a chunk.
      dims: names of its dimensions.
      itemsize: bytes of a value.
      attrs: labels.
      codecs: names of what a chunk goes through.
      little: whether bytes are in the usual order.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dims: tuple[str, ...]
    itemsize: int
    attrs: dict[str, Any]
    codecs: tuple[str, ...]
    little: bool

    @property
    def grid(self) -> tuple[int, ...]:
        """How many chunks there are along each dimension."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks))

    def has(self, index: tuple[int, ...]) -> bool:
        """Whether there is such a chunk."""
        return len(index) == len(self.grid) and all(i < n for i, n in zip(index, self.grid))

    def tile(self, index: tuple[int, ...]) -> Tile:
        """The part of the array that a chunk holds."""
        start = tuple(i * c for i, c in zip(index, self.chunks))
        stop = tuple(min(a + c, n) for a, c, n in zip(start, self.chunks, self.shape))
        return Tile(start, stop)


class Group(NamedTuple):
    """What a result's metadata says.

    Attributes:
      attrs: of the result, `configuration` among them.
      arrays: by name, as the group's own copy says; empty without one.
      raw: the same as it is written.
    """

    attrs: dict[str, Any]
    arrays: dict[str, Array]
    raw: dict[str, Any]


def group(store: Store) -> Group | None:
    """A result's metadata; None if there is none.

    Raises:
      ValueError: if it is damaged or not that of a result of eos_jax; the message says what.
    """
    document = _document(store, ROOT)
    if document is None:
        return None
    attrs = document.get("attributes")
    if document.get("node_type") != "group" or not isinstance(attrs, dict):
        raise ValueError(f"{ROOT} is not that of a group")
    try:
        settings = json.loads(attrs["configuration"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("no configuration in its attributes") from None
    if not isinstance(settings, dict):
        raise ValueError("no configuration in its attributes")
    copy = document.get("consolidated_metadata") or {}
    raw = copy.get("metadata", {}) if isinstance(copy, dict) else None
    if not isinstance(raw, dict):
        raise ValueError(f"{ROOT} has no list of arrays")
    return Group(attrs, {name: array(name, each) for name, each in raw.items()}, raw)


def arrays(store: Store, found: Group) -> dict[str, Array]:
    """The arrays of a result: by the group's copy or, where it has none, by their own metadata."""
    if found.arrays:
        return found.arrays
    names = {key.split("/")[0] for key in places.keys(store) if key.count("/") == 1}
    documents = {name: _document(store, f"{name}/{ROOT}") for name in sorted(names)}
    return {name: array(name, each) for name, each in documents.items() if each is not None}


def array(name: str, document: Any) -> Array:
    """What an array's metadata says; raises ValueError unless it can be meant."""
    if not name.isidentifier():
        raise ValueError(f"an array cannot be named {name!r}")
    try:
        shape, names = document["shape"], document.get("dimension_names")
        chunks = document["chunk_grid"]["configuration"]["chunk_shape"]
        kind, codecs = document["data_type"], document["codecs"]
        attrs = document.get("attributes", {})
        encoding = document["chunk_key_encoding"]
        steps = tuple(codec["name"] for codec in codecs)
        order = [codec.get("configuration", {}).get("endian", "little") for codec in codecs]
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"the metadata of `{name}` are damaged") from None
    sound = (
        document.get("node_type") == "array"
        and _whole(shape) and _whole(chunks) and len(shape) == len(chunks) <= 32
        and all(0 <= n for n in shape) and all(1 <= c <= max(n, 1) for n, c in zip(shape, chunks))
        and isinstance(attrs, dict) and isinstance(encoding, dict)
        and encoding.get("name") == "default"
        and encoding.get("configuration", {"separator": "/"}) == {"separator": "/"}
        and (names is None or _names(names, len(shape)))
    )  # fmt: skip
    if not sound:
        raise ValueError(f"the metadata of `{name}` are damaged: shape {shape}, chunks {chunks}")
    size = _size(kind)
    if size is None or not steps or not all(step in _CODECS for step in steps):
        raise ValueError(f"`{name}` holds what results do not: {kind}, written by {steps}")
    if math.prod(shape) > _MOST_VALUES or math.prod(chunks) * size > places.LARGEST_CHUNK:
        raise ValueError(f"`{name}` is too large: shape {shape} in chunks {chunks}")
    dims = tuple(str(dim) for dim in names or ())
    return Array(tuple(shape), tuple(chunks), dims, size, attrs, steps, set(order) == {"little"})


def _names(values, count) -> bool:
    """Whether these can be names of dimensions, each its own."""
    right = isinstance(values, list) and all(isinstance(n, str) for n in values)
    return right and len(values) == len(set(values)) == count


def _whole(values) -> bool:
    return isinstance(values, list) and all(type(n) is int for n in values)


def _size(kind) -> int | None:
    """Bytes of a value; None for a type that results do not have."""
    if isinstance(kind, dict):  # text of one length
        length = (kind.get("configuration") or {}).get("length_bytes")
        known = kind.get("name") == "fixed_length_utf32" and type(length) is int
        return length if known and 0 < length <= 2**16 else None
    return _SIZES.get(kind) if isinstance(kind, str) else None


def _document(store, key) -> dict | None:
    data = places.read(store, key)
    if data is None:
        return None
    if len(data) > LARGEST_TEXT:
        raise ValueError(f"{key} is larger than metadata are")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(f"{key} is damaged") from None
    if not isinstance(document, dict):
        raise ValueError(f"{key} is damaged")
    return document


def own(store: Store, name: str) -> dict | None:
    """An array's own metadata as they are written; None if they are lost or no text."""
    try:
        return _document(store, f"{name}/{ROOT}")
    except ValueError:
        return None


def configuration_holds(attrs: Mapping[str, Any]) -> bool:
    """Whether the configuration is the one that its recorded hash is of."""
    text = str(attrs.get("configuration")).encode()
    return hashlib.sha256(text).hexdigest() == attrs.get("configuration_sha256")


def coordinates(found: Group, known: Mapping[str, Array]) -> set[str]:
    """Names of the arrays that are labels, not results."""
    named = [found.attrs.get("coordinates", "")]
    # those of a result in memory that was saved are named by each variable
    named += [array.attrs.get("coordinates", "") for array in known.values()]
    dims = {dim for array in known.values() for dim in array.dims}
    return {*dims, *" ".join(map(str, named)).split()} & set(known)


def written(store: Store, name: str, lanes: int) -> set[tuple[int, ...]]:
    """The chunks of an array that are there, by their first `lanes` indices.

    A result's other dimensions are in one chunk.
    """
    found = set()
    for key in places.keys(store, f"{name}/c/") if lanes else places.keys(store, f"{name}/"):
        index = key.removeprefix(f"{name}/").split("/")
        if index[0] == "c" and all(part.isdecimal() for part in index[1:]):
            found.add(tuple(map(int, index[1 : lanes + 1])))
    return found


def of_result(place: Place, store: Store) -> Group:
    """The metadata of a result; raises unless it is one."""
    try:
        found = group(store)
    except ValueError as error:
        raise FileExistsError(
            f"`{place}` exists and is not a result of eos_jax: {error}."
        ) from None
    if found is None:
        if next(iter(places.keys(store)), None) is None:
            raise FileNotFoundError(f"Store `{place}` does not exist.")
        raise FileExistsError(f"`{place}` exists and is not a result of eos_jax: no {ROOT}.")
    return found


def sound_arrays(place: Place, store: Store, found: Group) -> dict[str, Array]:
    """The arrays of a result; raises in one sentence where they are damaged."""
    with sound(place):
        return arrays(store, found)


@contextlib.contextmanager
def sound(place: Place) -> Generator[None]:
    """Whatever others raise at metadata that nobody would write, in one sentence."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise FileExistsError(f"`{place}` is not a sound result of eos_jax: {text}.") from None
