"""The page in a notebook: the same style, markup and script, asked through the kernel."""

import concurrent.futures
import re
from collections.abc import Callable, Mapping
from typing import Any

from eos_jax.explorer import questions, views
from eos_jax.explorer.answers import Context
from eos_jax.explorer.messages import as_json
from eos_jax.explorer.server import page
from eos_jax.explorer.work import PLAIN, QUESTIONS, Left, Work, answered
from eos_jax.objectives import Objective
from eos_jax.objectives.own import as_objective

_WIDGET = """
const style = %(style)s, markup = %(markup)s;
async function render({ model, el }) {
  const root = document.createElement("div"), look = document.createElement("style");
  const host = document.createElement("div");
  look.textContent = style;
  root.className = "eos cell";
  root.innerHTML = markup;
  // a tree of its own: no style of the notebook comes in, and its keys are not the notebook's
  host.attachShadow({ mode: "open" }).append(look, root);
  host.dataset.lmSuppressShortcuts = "true";
  el.append(host);
  const waiting = new Map();
  let number = 0;
  model.on("msg:custom", ({ id, error }, buffers) => {
    const done = waiting.get(id);
    waiting.delete(id);
    if (!done) return;
    if (error) { done.fail(new Error(error)); return; }
    const view = buffers[0], bytes = new Uint8Array(view.buffer ? view.buffer.slice(view.byteOffset,
      view.byteOffset + view.byteLength) : view);
    done.keep(done.plain ? JSON.parse(new TextDecoder().decode(bytes)) : bytes.buffer);
  });
  const ask = (name, question, signal) => new Promise((keep, fail) => {
    const id = ++number;
    waiting.set(id, { keep, fail, plain: !/window|piece|picture|netcdf/.test(name) });
    signal?.addEventListener("abort", () => {
      waiting.delete(id);
      model.send({ id, stop: true });
      fail(new DOMException("", "AbortError"));
    });
    model.send({ id, name, question: JSON.stringify(question ?? null) });
  });
  let views = [], act = () => {};
  const place = { read: () => views[views.length - 1] ?? "", listen: (f) => { act = f; },
    write: (view, step) => { if (!step) views.pop(); views.push(view); },
    back: () => { if (views.length > 1) { views.pop(); act(); } }, link: () => "" };
  await explorer(root, ask, place);
}
export default { render };
"""


def explore(
    objective: Objective | Callable,
    axes: Mapping[str, Any] | None = None,
    steps: int = 10_000,
    rule: Any = None,
) -> Any:
    """A map to explore in a notebook: zoom, click a start, see its orbit.

    Args:
      objective: what is descended; a function of scalar parameters does as well.
      axes: as in `sweep`, numbers and arrays: arrays of several values become the ranges that the
        map begins with. By default eta is 0.1, scalars are 0.5, and the first two are varied.
      steps: the horizon.
      rule: a registered rule, or its name; gradient descent by default.

    Returns:
      A widget, which a notebook shows.

    Raises:
      ImportError: if anywidget is not installed.
      ValueError: if an argument does not fit.

    Example:
      >>> import eos_jax as eos, numpy as np
      >>> obj = eos.objectives.scalar_product((2, 2))
      >>> axes = {"x": np.linspace(3.0, 3.4, 2), "y": np.linspace(0.1, 0.5, 2), "eta": 0.2}
      >>> eos.explore(obj, axes)  # doctest: +SKIP
    """
    objective = as_objective(objective)
    if axes is None:
        axes = {**questions.starts(objective), "eta": 0.1}
    configuration = views.of_arrays(objective, dict(axes), steps, rule)
    return widget(Context(*views.first(configuration, objective), objective))


def widget(context: Context) -> Any:
    """A widget that answers the page's questions from this process.

    Args:
      context: what is shown first.

    Raises:
      ImportError: if anywidget is not installed.
    """
    try:
        import anywidget
    except ImportError:
        raise ImportError(
            "A map in a notebook needs anywidget: install eos_jax[notebook]."
        ) from None
    made = type("Explorer", (anywidget.AnyWidget,), {"_esm": module(), "__doc__": __doc__})()
    work, left = Work(), set()
    pool = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="explore")

    def answer(ident: int, name: str, question: str) -> None:
        def stopped() -> None:
            if ident in left:
                raise Left

        try:
            if name not in (*PLAIN, *QUESTIONS):
                raise ValueError(f"Questions are {', '.join(QUESTIONS)}.")
            found = answered(context, work, name, question.encode(), stopped)
            made.send({"id": ident}, [found])
        except Left:
            pass
        except Exception as error:  # a user's own loss may raise anything; the page goes on
            made.send({"id": ident, "error": " ".join(str(error).split())})

    def heard(_: Any, content: Mapping[str, Any], buffers: Any) -> None:
        if content.get("stop"):
            left.add(content["id"])
        else:  # on a thread, so that the kernel hears when it shall stop
            pool.submit(answer, content["id"], content["name"], content["question"])

    made.on_msg(heard)
    return made


def module() -> str:
    """The page as a module of JavaScript for anywidget."""
    text = page().decode()
    parts = {
        name: _inside(text, name, pattern)
        for name, pattern in (
            ("style", r"<style>(.*?)</style>"),
            ("markup", r'<main class="eos" id="explorer">(.*?)</main>'),
            ("script", r"<script>(.*?)</script>"),
        )
    }
    quoted = {name: as_json(part).decode() for name, part in parts.items()}
    return parts["script"] + _WIDGET % quoted


def _inside(text, name, pattern) -> str:
    found = re.search(pattern, text, re.DOTALL)
    if found is None:
        raise ValueError(f"The page has no {name}.")
    return found[1]


__all__ = ["explore", "module", "widget"]
