"""A pole on a cart that is to be swung up, drawn in JAX."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from sslax.environments._environment import Environment

__all__ = ["swing_up"]

# Of the control suite's task: kilograms, metres, newtons, seconds.
CART, POLE, HALF, GRAVITY, FORCE = 1.0, 0.1, 0.5, 9.81, 10.0
TRACK, SECONDS, STEP = 1.8, 10.0, 0.01
# What is seen to the left and to the right of the middle.
REACH = 2.6
COLOURS = np.array(
    [[38, 56, 84], [120, 132, 150], [226, 200, 110], [232, 122, 60]], np.float32
)


def swing_up(*, size: int = 100, frames: int = 3, repeat: int = 8) -> Environment:
    """Swing a hanging pole up and hold it there, by pushing its cart.

    After the task of the same name in DeepMind's control suite: a uniform pole, ten
    seconds in steps of a hundredth, and a reward of at most 1 in each that is large
    where the pole is upright and slow, the cart in the middle and the push weak. So a
    return is at most 1,000. All of it is JAX: it compiles, and it runs many at a time.

    Args:
      size: side of the pictures in pixels.
      frames: how many an agent sees at once.
      repeat: steps of the task in which one action holds.

    Returns:
      The environment, of one action.

    Raises:
      ValueError: if a number is below 1, or pictures too small to see the pole.

    Example:
      >>> environment = swing_up(size=32)
      >>> state = environment.reset(jax.random.key(0))
      >>> environment.render(state).shape, environment.length
      ((32, 32, 3), 125)

    References:
      Tassa et al., DeepMind Control Suite, 2018, arXiv:1801.00690 (cartpole, swingup).
      Barto, Sutton and Anderson, Neuronlike Adaptive Elements, 1983 (equations).

    Note:
      Joints have no friction, the cart stops at the ends of its track, and the picture
      is a drawing: returns are of the suite's scale, not its numbers.
    """
    for name, value, least in (("size", size, 16), ("frames", frames, 1)):
        if value < least:
            raise ValueError(f"swing_up: {name} is {value}; at least {least}")
    steps = round(SECONDS / STEP)
    if not 1 <= repeat <= steps:
        raise ValueError(f"swing_up: repeat is {repeat}; from 1 to {steps}")

    def step(state, action):
        push = jnp.clip(action[0], -1.0, 1.0)

        def once(state, _):
            state = _moved(state, push)
            return state, _reward(state, push)

        state, rewards = jax.lax.scan(once, state, length=repeat)
        return state, rewards.sum(), False

    return Environment(
        name="swing_up",
        reset=_hanging,
        step=step,
        render=lambda state: _drawn(state, size),
        actions=1,
        size=(size, size),
        length=steps // repeat,
        frames=frames,
    )


def _hanging(key: Array) -> Float[Array, " s"]:
    """Place, angle from upright, and their speeds: nearly at rest, pole down."""
    start = jnp.array([0.0, math.pi, 0.0, 0.0])
    return start + 0.01 * jax.random.normal(key, (4,))


def _moved(state: Float[Array, " s"], push: Array) -> Float[Array, " s"]:
    """A hundredth of a second later: speeds first, then places."""
    place, angle, speed, turn = state
    sin, cos, mass = jnp.sin(angle), jnp.cos(angle), CART + POLE
    thrust = (FORCE * push + POLE * HALF * turn**2 * sin) / mass
    spin = (GRAVITY * sin - cos * thrust) / (HALF * (4 / 3 - POLE * cos**2 / mass))
    speed = speed + STEP * (thrust - POLE * HALF * spin * cos / mass)
    turn = turn + STEP * spin
    place = place + STEP * speed
    stopped = jnp.abs(place) >= TRACK
    return jnp.stack(
        [
            jnp.clip(place, -TRACK, TRACK),
            angle + STEP * turn,
            jnp.where(stopped, 0.0, speed),
            turn,
        ]
    )


def _reward(state: Float[Array, " s"], push: Array) -> Float[Array, ""]:
    """The suite's product: upright, centred, weak, slow; each of them in [0, 1]."""
    place, angle, _, turn = state

    def near(x, margin):
        """1 at 0, 0.1 at the margin."""
        return jnp.exp(math.log(0.1) * jnp.square(x / margin))

    upright = (jnp.cos(angle) + 1) / 2
    centred = (1 + near(place, 2.0)) / 2
    weak = (4 + 1 - jnp.square(push)) / 5
    slow = (1 + near(turn, 5.0)) / 2
    return upright * centred * weak * slow


def _drawn(state: Float[Array, " s"], size: int) -> UInt8[Array, "h w 3"]:
    """Track with its middle and its ends, cart and pole, with soft edges."""
    place, angle = state[0], state[1]
    at = ((jnp.arange(size) + 0.5) / size * 2 - 1) * REACH
    x, y, pixel = at[None, :], -at[:, None], 2 * REACH / size

    def box(left, right, low, high):
        return jnp.maximum(
            jnp.maximum(left - x, x - right), jnp.maximum(low - y, y - high)
        )

    tip_x, tip_y = 2 * HALF * jnp.sin(angle), 2 * HALF * jnp.cos(angle)
    along = jnp.clip((x - place) * tip_x + y * tip_y, 0.0, 1.0)
    pole = jnp.hypot(x - place - along * tip_x, y - along * tip_y) - 0.07
    rail = box(-TRACK - 0.2, TRACK + 0.2, -0.03, 0.03)
    ends = jnp.minimum(
        box(-TRACK - 0.25, -TRACK - 0.15, -0.2, 0.2),
        box(TRACK + 0.15, TRACK + 0.25, -0.2, 0.2),
    )
    rail = jnp.minimum(jnp.minimum(rail, ends), box(-0.03, 0.03, -0.3, 0.0))
    picture = jnp.broadcast_to(COLOURS[0], (size, size, 3))
    cart = box(place - 0.2, place + 0.2, -0.12, 0.12)
    for far, colour in zip((rail, cart, pole), COLOURS[1:], strict=True):
        cover = jnp.clip(0.5 - far / pixel, 0.0, 1.0)[..., None]
        picture = picture + cover * (colour[None, None] - picture)
    return jnp.round(picture).astype(jnp.uint8)
