"""The page to explore maps with: zoom, click a start, see its orbit.

A server on this machine answers questions of one page (`page.html`), which is sent to the browser
as it is. Every answer is a sweep of `eos_jax.sweep` or a piece of a store; nothing is computed in
the browser but colours.
"""

from eos_jax.explorer.answers import Context
from eos_jax.explorer.server import Explorer, serve
from eos_jax.explorer.views import context_of

__all__ = ["Context", "Explorer", "context_of", "serve"]
