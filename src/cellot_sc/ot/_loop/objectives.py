"""The dual losses of the quadratic optimal transport problem.

Notation: f and g are convex potentials, f of source cells x and g of target cells y. At the optimum the gradient of f
is the transport map and that of g its inverse, and f(x) + g(y) >= <x, y> everywhere, with equality at matched cells.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .._maps import networks
from .._maps.networks import BasePotential, Params

EXPECTILE = 0.99
"""How much more a violated constraint counts than a slack one."""


def _asymmetric(violation: jax.Array) -> jax.Array:
    return jnp.where(violation >= 0, EXPECTILE, 1 - EXPECTILE) * violation**2


def _one_way(
    network: BasePotential,
    g: Params,
    x: jax.Array,
    y: jax.Array,
    moved: jax.Array,
    at_target: jax.Array,
    weight: jax.Array,
) -> jax.Array:
    """Return the loss that fits g to the targets, with where f moves the source as amortiser of its conjugate."""
    still = jax.lax.stop_gradient(moved)
    conjugate = (x * still).sum(-1) - networks.value(network, g, still)
    product = (x * y).sum(-1)
    # as in ott's ExpectileNeuralDual, either side sees the other as fixed
    penalty = _asymmetric(product - jax.lax.stop_gradient(conjugate) - at_target)
    penalty += _asymmetric(product - conjugate - jax.lax.stop_gradient(at_target))
    amortisation = networks.value(network, jax.lax.stop_gradient(g), moved) - (x * moved).sum(-1)
    return (at_target + conjugate + weight * penalty + amortisation).mean()


def expectile(network: BasePotential, f: Params, g: Params, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
    """Return the expectile-regularised dual loss (Buzun et al. 2024, arXiv 2403.03777, algorithm 1), both ways at once.

    ott's ``ExpectileNeuralDual`` alternates between the two directions and measures the cost |x - y|^2; here each step
    goes both ways, in the equivalent convex form of the quadratic cost, so that both gradients are maps.

    Parameters
    ----------
    network
        Architecture of both potentials.
    f, g
        Parameters of the potentials.
    x, y
        Source and target cells, shape ``(batch, n_dims)``, paired at random.
    weight
        Weight of the penalty, in units of one over the cost.
    """
    at_source, forth = networks.value_and_gradient(network, f, x)
    at_target, back = networks.value_and_gradient(network, g, y)
    there = _one_way(network, g, x, y, forth, at_target, weight)
    return there + _one_way(network, f, y, x, back, at_source, weight)


def minmax_g(network: BasePotential, f: Params, g: Params, x: jax.Array) -> jax.Array:
    """Return the inner loss of the min-max dual (Makkuva et al. 2020, equation 6): g moves cells where f is least."""
    moved = networks.gradient(network, g, x)
    return (networks.value(network, f, moved) - (x * moved).sum(-1)).mean()


def minmax_f(network: BasePotential, f: Params, g: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the outer loss of the min-max dual: f tells observed targets from moved source cells."""
    moved = jax.lax.stop_gradient(networks.gradient(network, g, x))
    return (networks.value(network, f, y) - networks.value(network, f, moved)).mean()
