"""Flows that stand for discrete rules, as rules: `orbits` and `sweep` run them beside the others.

One step of a flow goes along it for the time of one step of the rule that it stands for, or of
`stride` steps. They need diffrax (extra `flow`).
"""

from eos_jax.flows.central import central_flow
from eos_jax.flows.gradient_flow import flow_limit, flow_sharpness, gradient_flow
from eos_jax.flows.rods import centre, edge_flow, rod_flow
from eos_jax.flows.sharpness_reduction import normalised_descent_flow, root_descent_flow

__all__ = [
    "central_flow",
    "centre",
    "edge_flow",
    "flow_limit",
    "flow_sharpness",
    "gradient_flow",
    "normalised_descent_flow",
    "rod_flow",
    "root_descent_flow",
]
