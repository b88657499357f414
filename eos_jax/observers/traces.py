"""Every sample of some measures, and the end of an orbit."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from eos_jax.measures import Measure, as_measure, label_of
from eos_jax.observers.base import Label, Observer, register
from eos_jax.sample import Sample


@register
def final_point() -> Observer:
    """The end of the orbit.

    Example:
      >>> import eos_jax as eos
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> end = eos.simulate(obj, {"x": 2.5, "y": 0.4001}, 0.2, 1000)
      >>> print(round(float(end["x"] * end["y"]), 3))
      1.0
    """

    def finalize(_, end):
        return {name: end.params[name] for name in end.objective.parameters}

    return Observer(lambda first, samples: (), lambda acc, sample: acc, finalize)


@register
def trace(
    measures: Sequence[str] | str | None = None, last: int | None = None, **named: Measure | str
) -> Observer:
    """Every sample of the parameters, loss and sharpness, or of the measures given.

    Args:
      measures: names of measures or parameters to record.
      last: keep that many of the last samples; all by default.
      **named: further measures, by the name of their record.

    Returns:
      An observer whose result is a dict of arrays of shape (samples, ...). Samples after the
      orbit was decided are NaN, or -1 for integers.

    Example:
      >>> import eos_jax as eos
      >>> result = eos.simulate(
      ...     eos.objectives.scalar_product((2, 2)), {"x": 2.5, "y": 0.4001}, 0.2, 1000,
      ...     observe=eos.observers.trace(), every=250,
      ... )
      >>> print(result["step"], result["sharpness"].shape)
      [   0  250  500  750 1000] (5,)
    """
    chosen = (measures,) if isinstance(measures, str) else tuple(measures or ())
    chosen = {**dict(zip(chosen, chosen)), **named}
    recorded = {name: as_measure(measure) for name, measure in chosen.items()}

    def measure(sample: Sample) -> Mapping[str, jax.Array]:
        if recorded:
            return {name: function(sample) for name, function in recorded.items()}
        known = {name: as_measure(name)(sample) for name in ("loss", "sharpness")}
        return {"step": sample.step, **sample.params, **known}

    def kept(samples):
        return samples if last is None else min(last, samples)

    def init(first, samples):
        rows = kept(samples)
        like = jax.eval_shape(lambda params: measure(first._replace(params=params)), first.params)
        empty = {n: jnp.full((rows, *v.shape), _unknown(v.dtype), v.dtype) for n, v in like.items()}
        return jnp.full((), samples, jnp.int32), empty

    def update(accumulator, sample):
        samples, rows = accumulator
        length = _length(rows)
        place = sample.index - (samples - length)
        place = jnp.where(place < 0, length, place)  # a negative index would count from the end
        new = measure(sample)
        return samples, {n: row.at[place].set(new[n], mode="drop") for n, row in rows.items()}

    def finalize(accumulator, end):
        samples, rows = accumulator
        length = _length(rows)
        seen = jnp.arange(length) + (samples - length) <= end.index

        def masked(row):
            mask = seen.reshape(length, *[1] * (row.ndim - 1))
            return jnp.where(mask, row, jnp.asarray(_unknown(row.dtype), row.dtype))

        return {name: masked(row) for name, row in rows.items()}

    labels = {name: Label(*label_of(m), ("step",)) for name, m in chosen.items()}
    return Observer(init, update, finalize, labels, by_index=True)


def _length(rows: Mapping[str, jax.Array]) -> int:
    """How many samples a record holds."""
    return len(next(iter(rows.values())))


def _unknown(dtype):
    return jnp.nan if jnp.issubdtype(dtype, jnp.floating) else -1
