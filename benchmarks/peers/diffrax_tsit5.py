"""diffrax's Tsit5, mapped over the batch and compiled by XLA.

Every trajectory has its own step size, but the compiled loop runs until the slowest has arrived.
"""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import TOLERANCE, Peer, Solve, States
from gridstab.dynamics.swing import SwingModel


def build(model: SwingModel) -> Solve:
    """Solves a batch in double precision; the first call of a batch size compiles."""
    jax.config.update("jax_enable_x64", True)
    grid = model.grid
    nodes = grid.num_nodes
    coupling = jnp.asarray(grid.adjacency(weighted=True).toarray())
    power, damping, inertia = (
        jnp.asarray(values) for values in (grid.power, grid.damping, grid.inertia)
    )

    def right_hand_side(time: jax.Array, state: jax.Array, arguments: None) -> jax.Array:
        theta, omega = state[:nodes], state[nodes:]
        sine, cosine = jnp.sin(theta), jnp.cos(theta)
        pull = cosine * (coupling @ sine) - sine * (coupling @ cosine)
        return jnp.concatenate([omega, (power - damping * omega + pull) / inertia])

    def integrate(state: jax.Array, horizon: jax.Array) -> jax.Array:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(right_hand_side),
            diffrax.Tsit5(),
            t0=0.0,
            t1=horizon,
            dt0=None,
            y0=state,
            saveat=diffrax.SaveAt(t1=True),
            stepsize_controller=diffrax.PIDController(rtol=TOLERANCE, atol=TOLERANCE),
            max_steps=None,
        )
        return solution.ys[0]

    compiled = jax.jit(jax.vmap(integrate, in_axes=(0, None)))

    def solve(states: States, horizon: float) -> States:
        return np.asarray(compiled(states, horizon))

    return solve


PEER = Peer("diffrax Tsit5, vmap + jit, batch 100", build, batch=100)
