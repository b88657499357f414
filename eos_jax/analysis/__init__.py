"""What orbits mean: how they repeat, how they diverge, what a limit is when steps shrink."""

from eos_jax.analysis.maps import System, henon, logistic, own_map

__all__ = ["System", "henon", "logistic", "own_map"]
