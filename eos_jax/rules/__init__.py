"""Rules, one file per family: a file put here that registers a function is found by itself."""

import importlib
import pkgutil

from eos_jax.rules import stability
from eos_jax.rules.base import Family, Hyper, Init, Rule, Step, make, register, registry
from eos_jax.rules.hyper import check_hyper, complete_hyper, is_step_size
from eos_jax.rules.transformations import as_rule, from_optax


def discover() -> None:
    """Import every module of this folder, so that the families in it are registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


discover()
adagrad = registry["adagrad"].make
adam = registry["adam"].make
adamw = registry["adamw"].make
gradient_descent = registry["gradient_descent"].make
gradient_noise = registry["gradient_noise"].make
heavy_ball = registry["heavy_ball"].make
label_noise = registry["label_noise"].make
lion = registry["lion"].make
nadam = registry["nadam"].make
nesterov = registry["nesterov"].make
normalised_gradient_descent = registry["normalised_gradient_descent"].make
radam = registry["radam"].make
rmsprop = registry["rmsprop"].make
sign_gradient_descent = registry["sign_gradient_descent"].make
yogi = registry["yogi"].make

__all__ = [
    "Family",
    "Hyper",
    "Init",
    "Rule",
    "Step",
    "adagrad",
    "adam",
    "adamw",
    "as_rule",
    "check_hyper",
    "complete_hyper",
    "discover",
    "from_optax",
    "gradient_descent",
    "gradient_noise",
    "heavy_ball",
    "is_step_size",
    "label_noise",
    "lion",
    "make",
    "nadam",
    "nesterov",
    "normalised_gradient_descent",
    "radam",
    "register",
    "registry",
    "rmsprop",
    "sign_gradient_descent",
    "stability",
    "yogi",
]
