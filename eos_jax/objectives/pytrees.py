"""Nested parameters: dicts, lists, flax parameters, equinox modules.

The leaves that are floating arrays are the parameters, each named by its path as an identifier;
everything else of the tree is held constant. So a lane is a flat table of arrays as everywhere,
and `flatten` and `unflatten` go between tables and trees.
"""

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from eos_jax.objectives.base import Objective, Parameters, check_names
from eos_jax.objectives.own import checked_data, objective_of
from eos_jax.registry import key_of


class Structure(NamedTuple):
    """How a tree is put together from parameters.

    Attributes:
      treedef: of the whole tree.
      names: for each leaf the parameter's name, or None if it is held constant.
      held: the constants, in order.
    """

    treedef: Any
    names: tuple[str | None, ...]
    held: tuple[Any, ...]

    def tree(self, params: Mapping[str, Any]) -> Any:
        """The tree with these parameters."""
        held = iter(self.held)
        return self.treedef.unflatten(
            [next(held) if name is None else params[name] for name in self.names]
        )


def from_pytree(
    function: Callable[..., Any],
    like: Any,
    data: Mapping[str, Any] | None = None,
    floor: float | None = None,
    name: str | None = None,
) -> Objective:
    """An objective from a loss of nested parameters.

    Args:
      function: f(tree), or with data f(tree, X=..., y=...), returning a scalar loss.
      like: a tree as the function takes it. Its floating arrays (or `jax.ShapeDtypeStruct`) are
        the parameters; their values do not matter. Other leaves are held constant.
      data: arrays by argument name, as in `from_function`.
      floor: the least value of the loss, or a bound below it; None if not known.
      name: what to call it; by default the function's name.

    Returns:
      The objective; its parameters are named by their paths, such as `layers_0_weight`.

    Raises:
      ValueError: if the tree has no floating array, or as `from_function`.

    Example:
      >>> import eos_jax as eos, jax.numpy as jnp, numpy as np
      >>> def loss(tree, X, y):
      ...     return jnp.mean((X @ tree["weights"][0] + tree["bias"] - y) ** 2)
      >>> like = {"weights": [np.zeros(2)], "bias": np.zeros(())}
      >>> obj = eos.objectives.from_pytree(loss, like, data={"X": np.eye(2), "y": np.ones(2)})
      >>> obj
      Objective(loss: bias, weights_0 (2,); data X (2, 2), y (2,))
      >>> print(eos.loss(obj, eos.objectives.flatten(obj, like)))
      1.0
    """
    paths, treedef = jax.tree_util.tree_flatten_with_path(like)
    free = [_is_floating(leaf) for _, leaf in paths]
    if not any(free):
        raise ValueError(
            "Argument `like` must have floating arrays among its leaves, but has "
            f"{', '.join(type(leaf).__name__ for _, leaf in paths) or 'none'}."
        )
    taken: set[str] = set()
    names = tuple(_identifier(path, taken) if f else None for f, (path, _) in zip(free, paths))
    held = tuple(leaf for f, (_, leaf) in zip(free, paths) if not f)
    structure = Structure(treedef, names, held)
    shapes = {n: tuple(leaf.shape) for n, (_, leaf) in zip(names, paths) if n is not None}

    def call(function: Callable, point: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
        return function(structure.tree(point), **data)

    return objective_of(
        function, call, shapes, checked_data(data), floor, name, structure, key_of(tuple(structure))
    )


def flatten(objective: Objective, tree: Any) -> dict[str, Any]:
    """The parameters in a tree like the one that the objective was made with.

    Args:
      objective: as `from_pytree` makes.
      tree: of the same structure; its floating leaves may have axes of lanes in front.

    Returns:
      A dict from parameter names to the leaves.

    Raises:
      ValueError: if the objective has no nested parameters or the structure is another.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.from_pytree(lambda tree: tree[0] ** 2, [np.zeros(())])
      >>> eos.objectives.flatten(obj, [2.0])
      {'leaf_0': 2.0}
    """
    structure = _structure(objective)
    leaves, treedef = jax.tree.flatten(tree)
    if treedef != structure.treedef:
        raise ValueError(
            f"Argument `tree` must have the structure {structure.treedef} of {objective.name}, "
            f"but got {treedef}."
        )
    return {name: leaf for name, leaf in zip(structure.names, leaves) if name is not None}


def unflatten(objective: Objective, params: Parameters) -> Any:
    """The tree that parameters stand for, constants in their places.

    Args:
      objective: as `from_pytree` makes.
      params: leaves of shape (lanes...) + the parameter's shape.

    Returns:
      A tree like the one that the objective was made with.

    Raises:
      ValueError: if the objective has no nested parameters or the names are not its own.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.from_pytree(lambda tree: tree[0] ** 2, [np.zeros(())])
      >>> eos.objectives.unflatten(obj, {"leaf_0": 2.0})
      [2.0]
    """
    check_names(objective, params)
    return _structure(objective).tree(params)


def _structure(objective: Objective) -> Structure:
    if not isinstance(objective.structure, Structure):
        raise ValueError(
            f"Argument `objective` must be made with `from_pytree`, but got {objective!r}."
        )
    return objective.structure


def _is_floating(leaf: Any) -> bool:
    arrays = np.ndarray | jax.Array | jax.ShapeDtypeStruct
    return isinstance(leaf, arrays) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _identifier(path: tuple, taken: set[str]) -> str:
    """A path in a tree as a name that can be an argument, unlike those taken."""
    parts = [jax.tree_util.keystr((entry,), simple=True) for entry in path]
    stem = re.sub(r"\W+", "_", "_".join(parts)).strip("_")
    if not stem.isidentifier() or keyword.iskeyword(stem):
        stem = f"leaf_{stem}".rstrip("_")
    name, count = stem, 2
    while name in taken:
        name, count = f"{stem}_{count}", count + 1
    taken.add(name)
    return name
