"""Pages that follow from registries and `__all__`, written before the site is built."""

import importlib
import inspect
from pathlib import Path

from eos_jax.paper.claims import claims

HERE = Path(__file__).parent

ROOMS = ("", "objectives", "rules", "flows", "observers", "measures", "curvature", "analysis",
         "theory", "plots", "paper.claims", "explorer")  # fmt: skip
"""Modules whose public names are the reference; those of a module are in its `__all__`."""


def public(room):
    """The module of a room and its public names."""
    module = importlib.import_module(f"eos_jax.{room}" if room else "eos_jax")
    own = [
        name
        for name, found in vars(module).items()
        if not name.startswith("_") and getattr(found, "__module__", None) == module.__name__
    ]
    return module, getattr(module, "__all__", own)


def reference(room):
    """A page of the reference; raises on a public name without a docstring."""
    module, names = public(room)
    title = module.__name__
    lines = [title, "=" * len(title), "", f".. automodule:: {title}", "   :no-members:", ""]
    for name in sorted(names, key=str.lower):
        found = getattr(module, name)
        if inspect.ismodule(found) or not (inspect.isclass(found) or inspect.isroutine(found)):
            continue
        if not inspect.getdoc(found):
            raise ValueError(f"{title}.{name} is public and undocumented")
        kind = "autoclass" if inspect.isclass(found) else "autofunction"
        lines += [f".. {kind}:: {title}.{name}", ""]
    return "\n".join(lines)


def table_of_claims():
    """The claims of the paper, its errata and its neighbours, from their registry."""
    rows = ["| claim | statement | source |", "|---|---|---|"]
    for claim in claims.values():
        statement = " ".join(claim.statement.split()).replace("|", "\\|")
        rows.append(
            f"| `{claim.name}` | {statement} | {claim.source.replace('|', chr(92) + '|')} |"
        )
    return "\n".join(rows)


def generate():
    """Pages that follow from registries, written only where they change."""
    pages = {HERE / "reference" / f"{room or 'eos_jax'}.rst": reference(room) for room in ROOMS}
    pages[HERE / "generated" / "claims.md"] = table_of_claims() + "\n"
    for path, text in pages.items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
