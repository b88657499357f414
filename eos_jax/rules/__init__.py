"""Rules, one file per family."""

from eos_jax.rules.base import Rule

__all__ = ["Rule"]
