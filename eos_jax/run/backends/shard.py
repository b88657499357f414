"""Every n-th tile, on the threads of this process: n of these make a whole, and none knows another.

For arrays of Slurm jobs and indexed Kubernetes jobs. Tiles are whole chunks of one store, and which
ones a shard does follows from their numbers, so nobody has to be asked; a shard that is run twice,
at once or later, writes the same bytes.
"""

import functools
import re

import numpy as np

from eos_jax.run.backends import threads
from eos_jax.run.backends.base import Backend, register


@register
def shard(option: str) -> Backend:
    """Shard i of n, given as "i/n", counted from 0."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", option)
    if not found or not int(found[1]) < int(found[2]):
        raise ValueError(
            f"A shard must be i/n with i from 0 to n - 1, such as 0/3, but got {option!r}."
        )
    index, count = int(found[1]), int(found[2])
    return Backend(threads.run, functools.partial(_every, index, count), ways=count)


def _every(index: int, count: int, numbers: np.ndarray) -> np.ndarray:
    return numbers[numbers % count == index]
