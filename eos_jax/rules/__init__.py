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
averaged_momentum = registry["averaged_momentum"].make
cosine_gradient_descent = registry["cosine_gradient_descent"].make
cyclic_gradient_descent = registry["cyclic_gradient_descent"].make
decayed_heavy_ball = registry["decayed_heavy_ball"].make
gradient_descent = registry["gradient_descent"].make
gradient_noise = registry["gradient_noise"].make
heavy_ball = registry["heavy_ball"].make
label_noise = registry["label_noise"].make
lion = registry["lion"].make
minibatch_heavy_ball = registry["minibatch_heavy_ball"].make
muon = registry["muon"].make
nadam = registry["nadam"].make
nesterov = registry["nesterov"].make
normalised_gradient_descent = registry["normalised_gradient_descent"].make
radam = registry["radam"].make
rmsprop = registry["rmsprop"].make
root_gradient_descent = registry["root_gradient_descent"].make
sam = registry["sam"].make
shampoo = registry["shampoo"].make
sign_gradient_descent = registry["sign_gradient_descent"].make
steepest_descent = registry["steepest_descent"].make
warmup_gradient_descent = registry["warmup_gradient_descent"].make
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
    "averaged_momentum",
    "check_hyper",
    "complete_hyper",
    "cosine_gradient_descent",
    "cyclic_gradient_descent",
    "decayed_heavy_ball",
    "discover",
    "from_optax",
    "gradient_descent",
    "gradient_noise",
    "heavy_ball",
    "is_step_size",
    "label_noise",
    "lion",
    "make",
    "minibatch_heavy_ball",
    "muon",
    "nadam",
    "nesterov",
    "normalised_gradient_descent",
    "radam",
    "register",
    "registry",
    "rmsprop",
    "root_gradient_descent",
    "sam",
    "shampoo",
    "sign_gradient_descent",
    "stability",
    "steepest_descent",
    "warmup_gradient_descent",
    "yogi",
]
