"""A sweep in miniature, for faults by the thousand: a real layout, results computed once.

Whatever is done to a store of it, one thing must hold: after `damaged` has looked and `run` has
run, its bytes are those of a run that nothing happened to.
"""

import functools
import json
from unittest import mock

import numpy as np
from zarr.storage import MemoryStore, WrapperStore

import eos_jax as eos
from eos_jax.results import labels, store
from eos_jax.run import backends
from eos_jax.run.grid import tiles

SHAPE, BLOCK = (11,), (3,)


class Killed(BaseException):
    """The process is gone."""


class Mortal(WrapperStore):
    """A store whose process dies before its k-th change, or right after it."""

    def __init__(self, store, left=10**9, after=False):
        super().__init__(store)
        self.life = {"left": left, "after": after}

    def _with_store(self, store):
        same = type(self)(store)
        same.life = self.life
        return same

    async def _change(self, function, *args):
        self.life["left"] -= 1
        if self.life["left"] < 0 or (self.life["left"] == 0 and not self.life["after"]):
            raise Killed
        await function(*args)
        if self.life["left"] == 0:
            raise Killed

    async def set(self, key, value):
        await self._change(self._store.set, key, value)

    async def set_if_not_exists(self, key, value):
        await self._change(self._store.set_if_not_exists, key, value)

    async def delete(self, key):
        await self._change(self._store.delete, key)


@functools.cache
def layout():
    """What a small sweep's result looks like, and its values."""
    axes = {"x": np.linspace(2.0, 3.6, *SHAPE), "y": 0.4, "eta": 0.2}
    paper, made = eos.objectives.scalar_product((2, 2)), {}
    real = labels.layout

    def keep(work, attrs):
        made["plan"] = real(work, attrs)
        return made["plan"]

    labels.layout = keep
    try:
        values = eos.sweep(paper, axes, 60, keep=["loss"])
    finally:
        labels.layout = real
    return made["plan"], {name: values[name].values for name in ("outcome", "loss")}


def rendered(plan, block, real=store.rendered):
    """What it yields, made once: it takes most of the time, and follows from what is given."""
    key = block, json.dumps(plan.attrs, sort_keys=True)
    if key not in _RENDERED:
        _RENDERED[key] = real(plan, block)
    return _RENDERED[key]


_RENDERED = {}


def run(place, backend="threads", most=None):
    """Do what a sweep does with a store, or the first few tiles of it."""
    plan, values = layout()
    with mock.patch.object(store, "rendered", rendered):
        block = store.create(place, plan, BLOCK)
    write = store.writer(place)
    numbers = backends.find(backend).share(store.pending(place))
    for tile in tiles(SHAPE, block, numbers[:most]):
        write(tile, {name: values[name][tile.slices] for name in values})


def contents(place):
    """Keys and bytes of a store in memory."""
    return {key: value.to_bytes() for key, value in place._store_dict.items()}


@functools.cache
def sound():
    """What an undisturbed run writes."""
    place = MemoryStore()
    run(place)
    return contents(place)


def never_wrong(place):
    """Whoever reads the store is told of damage, or sees what is true or that it is pending."""
    _, values = layout()
    try:
        found = store.open_dataset(place).load()
    except Exception:
        return
    done = found.outcome.values != 0
    np.testing.assert_array_equal(found.outcome.values[done], values["outcome"][done])
    np.testing.assert_array_equal(found.loss.values[done], values["loss"][done])
    np.testing.assert_array_equal(found.x.values, np.linspace(2.0, 3.6, *SHAPE))
    assert (float(found.eta), float(found.y)) == (0.2, 0.4)
