"""The order of the rooms: a module imports only from rooms above, and nothing in circles."""

import ast
import graphlib
from pathlib import Path

import pytest

import eos_jax

ROOT = Path(eos_jax.__file__).parent

ROOMS = (
    "signals", "fingerprint", "checks", "files", "registry", "objectives", "curvature", "sample",
    "measures", "rules", "flows", "machine", "loops", "tangents", "observers", "outcomes",
    "colours",
    "returns", "simulate", "run", "results", "sweep",
    "",  # the package itself: what users see of the rooms above
    "analysis", "summary", "theory", "plots", "paper", "config", "explorer", "cli", "__main__",
)  # fmt: skip
"""From above to below; data walk through them in this order."""

FOR_TYPES_ONLY = {
    ("sample", "rules"),  # a sample holds its rule, a rule reads samples
    *(("", room) for room in ("analysis", "explorer", "flows", "plots", "theory")),  # when used
}


def modules():
    """Every module of the package by its dotted name without the package's own, "" for that."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = dict(modules())


def imported(name, path):
    """Modules of the package that a module imports, each with whether it is for types only."""
    tree = ast.parse(path.read_text())
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            places = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            places = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for place in places:
            package, _, inside = place.partition(".")
            if package != "eos_jax":
                continue
            while inside not in NAMES:  # a function of a module, not a module
                inside = inside.rpartition(".")[0]
            yield inside, node in typing


def room(module):
    return module.partition(".")[0]


def test_every_room_has_its_place():
    assert {room(name) for name in NAMES} == set(ROOMS)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_imports_only_what_stands_above_it(name):
    for other, for_types in imported(name, NAMES[name]):
        if for_types and (room(name), room(other)) in FOR_TYPES_ONLY:
            continue
        assert ROOMS.index(room(other)) <= ROOMS.index(room(name)), f"{name} imports {other}"


def test_nothing_is_imported_in_circles():
    """Neither inside a room; a package's own file imports its modules, never they it."""
    graph = {
        name: {other for other, for_types in imported(name, path) if not for_types}
        for name, path in NAMES.items()
    }
    assert sum(map(len, graph.values())) > 100
    list(graphlib.TopologicalSorter(graph).static_order())
