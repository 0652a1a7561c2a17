"""The dual losses of the quadratic optimal transport problem.

Notation: f and g are convex potentials, f of source cells x and g of target cells y. At the optimum the gradient of f
is the transport map and that of g its inverse, and f(x) + g(y) >= <x, y> everywhere, with equality at matched cells.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from .._maps import networks
from .._maps.networks import BasePotential, Params

EXPECTILE = 0.99
"""How much more a violated constraint counts than a slack one."""


def _asymmetric(violation: jax.Array) -> jax.Array:
    return jnp.where(violation >= 0, EXPECTILE, 1 - EXPECTILE) * violation**2


def expectile(network: BasePotential, pair: Params, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
    """Return the expectile-regularised dual loss (Buzun et al. 2024, arXiv 2403.03777, algorithm 1), both ways at once.

    ott's ``ExpectileNeuralDual`` alternates between the two directions and measures the cost |x - y|^2; here each step
    goes both ways, in the equivalent convex form of the quadratic cost, so that both gradients are maps.

    Parameters
    ----------
    network
        Architecture of both potentials.
    pair
        Parameters of f and g, with a leading axis of the two.
    x, y
        Source and target cells, shape ``(batch, n_dims)``, paired at random.
    weight
        Weight of the penalty, in units of one over the cost.
    """
    value = jax.vmap(partial(networks.value, network))
    # either potential at its own cells, f at x and g at y, then at where the other one moves the other's cells to
    own, others = jnp.stack([x, y]), jnp.stack([y, x])
    at_own, there = jax.vmap(partial(networks.value_and_gradient, network))(pair, own)
    moved = there[::-1]
    still = jax.lax.stop_gradient(moved)
    # where the other one moves its cells amortises the conjugate
    conjugate = (others * still).sum(-1) - value(pair, still)
    product = (x * y).sum(-1)
    # as in ott's ExpectileNeuralDual, either side sees the other as fixed
    penalty = _asymmetric(product - jax.lax.stop_gradient(conjugate) - at_own)
    penalty += _asymmetric(product - conjugate - jax.lax.stop_gradient(at_own))
    amortisation = value(jax.lax.stop_gradient(pair), moved) - (others * moved).sum(-1)
    return (at_own + conjugate + weight * penalty + amortisation).mean(1).sum()


def minmax_g(network: BasePotential, f: Params, g: Params, x: jax.Array) -> jax.Array:
    """Return the inner loss of the min-max dual (Makkuva et al. 2020, equation 6): g moves cells where f is least."""
    moved = networks.gradient(network, g, x)
    return (networks.value(network, f, moved) - (x * moved).sum(-1)).mean()


def minmax_f(network: BasePotential, f: Params, g: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the outer loss of the min-max dual: f tells observed targets from moved source cells."""
    moved = jax.lax.stop_gradient(networks.gradient(network, g, x))
    return (networks.value(network, f, y) - networks.value(network, f, moved)).mean()
