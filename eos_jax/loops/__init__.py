"""Many steps of many lanes: the time loop, and the forms of it that run fast."""

from eos_jax.loops.base import UNROLL, advance, advance_lanes

__all__ = ["UNROLL", "advance", "advance_lanes"]
