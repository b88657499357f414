"""Datasets that pictures are made of: tiny, and each made once."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import eos_jax as eos

PRODUCT = eos.objectives.scalar_product((2, 2))


def sweep(x, y, eta=0.2, steps=300, **kwargs):
    return eos.sweep(PRODUCT, {"x": x, "y": y, "eta": eta}, steps, **kwargs)


def momentum_map():
    return eos.sweep(
        PRODUCT,
        {"x": np.linspace(0, 6, 25), "y": np.linspace(0.1, 1, 7), "eta": 0.2, "momentum": 0.5},
        2000,
        rule=eos.rules.heavy_ball(),
        observe={"peak": eos.observers.maximum("sharpness")},
    )


def rosenbrock(a, b):
    return (1 - a) ** 2 + 10 * jnp.square(b - a**2)


def network():
    data = np.eye(2), np.ones((2, 1))
    model = eos.objectives.fully_connected((2, 2, 1), bias=False, data=data)
    start = {"W1": np.array([[0.5, 0.1], [-0.2, 0.4]]), "W2": np.array([[0.3, 0.6]])}
    return eos.orbits(model, {**start, "eta": [0.1, 0.5]}, 40)


def orbits(eta, steps=40, **kwargs):
    return eos.orbits(PRODUCT, {"x": 2.5, "y": 0.4001, "eta": eta}, steps, **kwargs)


SWEEPS = {
    "a map": lambda: sweep(np.linspace(0, 4, 21), np.linspace(0, 4, 17), steps=3000),
    "heavy ball": momentum_map,
    "all diverged": lambda: sweep(np.linspace(6, 9, 5), np.linspace(6, 9, 4)),
    "nothing decided": lambda: sweep(np.linspace(1.5, 2, 5), [0.3, 0.31], steps=1),
    "all converged at once": lambda: sweep(np.array([1.0, -1.0]), np.array([1.0, -1.0])),
    "an empty band": lambda: sweep(np.linspace(1.0, 1.4, 5), np.linspace(0.7, 1, 4)),
    "all invalid": lambda: sweep(np.array([1.0, 2.0]), np.full(2, np.nan), combine="zip"),
    "an axis with a hole": lambda: sweep(np.array([1.0, np.nan, 2.0]), [0.3, 0.4]),
    "a column": lambda: sweep([2.0], np.linspace(0.1, 0.5, 6)),
    "one point of a map": lambda: sweep([2.0], [0.4]),
    "one dimension": lambda: sweep(np.linspace(1, 4, 30), 0.4),
    "one dimension, all diverged": lambda: sweep(np.linspace(6, 9, 4), 9.0),
    "along eta": lambda: sweep(2.5, 0.4, np.linspace(0.05, 0.5, 12)),
    "log axes": lambda: sweep(np.geomspace(0.1, 8, 9), 0.3, np.geomspace(1e-2, 0.4, 8)),
    "zipped lanes": lambda: sweep([1.0, 2.0], [0.3, 0.4], [0.1, 0.2], combine="zip"),
    "one lane": lambda: sweep(2.0, 0.4),
    "descending axis": lambda: sweep(np.linspace(4, 1, 8), np.linspace(0.1, 1, 5)),
    "unsorted axis": lambda: sweep([3.0, 1.0, 2.0, 4.0], np.linspace(0.1, 0.5, 6)),
    "without threshold": lambda: sweep([1.0, 2.0], [0.3, 0.4], keep=["sharpness"], steps=100),
    "outcome alone": lambda: sweep([1.0, 2.0], [0.3, 0.4], keep=[], steps=100),
    "three axes": lambda: sweep(
        np.linspace(1, 4, 8), np.linspace(0.1, 1, 5), [0.05, 0.2, 0.4], steps=1000
    ),
}
ORBITS = {
    "three step sizes": lambda: orbits([0.25, 0.2, 1 / 6]),
    "33 step sizes": lambda: orbits(np.geomspace(0.05, 0.3, 33)),
    "one orbit": lambda: orbits(0.2),
    "Adam": lambda: orbits([0.1, 0.2], rule="adam"),
    "momentum and eta": lambda: eos.orbits(
        PRODUCT,
        {"x": 2.5, "y": 0.4001, "eta": [0.1, 0.2, 0.3], "momentum": [0.0, 0.3]},
        40,
        rule=eos.rules.heavy_ball(),
    ),
    "Rosenbrock": lambda: eos.orbits(
        eos.objectives.from_function(rosenbrock), {"a": -0.8, "b": [0.0, 1.0], "eta": 0.02}, 100
    ),
    "a network": network,
    "orbits that diverge": lambda: eos.orbits(PRODUCT, {"x": 6.0, "y": 6.0, "eta": [0.1, 0.2]}, 20),
    "one in ten": lambda: orbits([0.1, 0.2], every=10),
    "zipped orbits": lambda: eos.orbits(
        PRODUCT, {"x": [2.5, 2.4], "y": 0.4, "eta": [0.2, 0.1]}, 40, combine="zip"
    ),
}


@functools.cache
def _made(name):
    return {**SWEEPS, **ORBITS}[name]()


@pytest.fixture(scope="session")
def dataset():
    return _made
