"""How answers travel: plain data as JSON, arrays as their bytes behind a header."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import xarray as xr

from eos_jax.results.labels import judged


def packed(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A header and arrays in one message.

    Args:
      head: plain data.
      arrays: by name, of any dtype.

    Returns:
      The length of the header as four bytes, the header as JSON with, under `arrays`, each array's
      name, dtype, shape and place; the arrays in C order, little end first, each at a multiple of
      8 bytes.

    Example:
      >>> message = packed({"seconds": 1.5}, {"steps": np.arange(3)})
      >>> size = int.from_bytes(message[:4], "little")
      >>> json.loads(message[4 : 4 + size])["arrays"]
      [{'name': 'steps', 'dtype': 'int64', 'shape': [3], 'at': 0}]
    """
    places, chunks, at = [], [], 0
    for name, array in arrays.items():
        array = np.asarray(array)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        places.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "at": at})
        chunks += [array.tobytes(), b"\0" * (-array.nbytes % 8)]
        at += array.nbytes + -array.nbytes % 8
    text = json.dumps({**head, "arrays": places}, default=_plain).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join([len(text).to_bytes(4, "little"), text, *chunks])


def as_json(value: Any) -> bytes:
    """Plain data as JSON; what is not a finite number becomes null."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


def described(dataset: xr.Dataset) -> dict[str, Any]:
    """Labels of a dataset's variables, and what ran it."""
    return {
        "dims": [str(d) for d in dataset.outcome.dims],
        "variables": {
            str(name): {
                "words": dataset[name].attrs.get("long_name", name),
                "units": dataset[name].attrs.get("units", ""),
            }
            for name in dataset.data_vars
            if dataset[name].dims == dataset.outcome.dims
        },
        "judged": judged(dataset),
        **{n: dataset.attrs.get(n) for n in ("engine", "engine_reason", "rule", "rule_remark",
                                             "title", "trust")},
    }  # fmt: skip


def arrays_of(
    dataset: xr.Dataset, across: Sequence[str], wanted: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The values of the axes, the outcome, and what is wanted of what is one number per pixel."""
    return {f"axis:{name}": dataset[name].values for name in across} | {
        str(name): values.values
        for name, values in dataset.data_vars.items()
        if values.dims == dataset.outcome.dims
        and (wanted is None or name in wanted or name == "outcome")
    }
