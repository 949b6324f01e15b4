"""Soft actor-critic on the maps of an encoder: the networks and losses of an agent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax import models
from sslax.core import Aux, Net, Objective, compared
from sslax.nets import main_output, views_of

__all__ = ["Eye", "actor_critic", "eye_of", "squashed"]

FIELDS = ("action", "reward", "not_done")


class Eye(NamedTuple):
    """An encoder and the head that critics read it through.

    Attributes:
      maps: `(params, extra, image) -> [b ...]`, what actor and critic share.
      state: `(params, extra, maps) -> [b d]`.
    """

    maps: Callable[..., Array]
    state: Callable[..., Array]


def eye_of(encoder: Net, head: Net) -> Eye:
    """How parameters "encoder" and "head", online ones or a teacher's, see an image.

    Args:
      encoder: images to maps.
      head: maps to states.

    Returns:
      Both, reading statistics in `extra["stats"]`.
    """

    def maps(params, extra, image):
        stats = extra["stats"]["encoder"]
        out, _ = encoder.apply(params["encoder"], stats, image, train=True)
        return main_output(encoder, out)

    def state(params, extra, maps):
        stats = extra["stats"]["head"]
        return head.apply(params["head"], stats, maps, train=True)[0]

    return Eye(maps, state)


class Agent(NamedTuple):
    """What acts and what judges.

    Attributes:
      init: `(key, maps) -> params` of "actor", "critic" and "temperature".
      act: `(params, maps, noise) -> (action [b a], log-probability [b])`; without noise
        the likeliest action.
      objectives: "critic", "actor" and "temperature", in this order.
    """

    init: Callable[..., dict[str, Any]]
    act: Callable[..., tuple[Array, Array]]
    objectives: dict[str, Objective]


def squashed(
    mean: Float[Array, "b a"], log_std: Float[Array, "b a"], noise: Float[Array, "b a"]
) -> tuple[Float[Array, "b a"], Float[Array, " b"]]:
    """An action of a Gaussian that tanh squashes, and the logarithm of its density.

    Args:
      mean: of the Gaussian.
      log_std: logarithm of its deviation.
      noise: normal.

    Returns:
      The action in (-1, 1), and its log-density as the released code has it: 1e-6 keeps
      the logarithm of the slope of tanh finite.
    """
    action = jnp.tanh(mean + noise * jnp.exp(log_std))
    density = -0.5 * jnp.square(noise) - log_std - 0.5 * math.log(2 * math.pi)
    slope = jax.nn.relu(1 - jnp.square(action)) + 1e-6
    return action, jnp.sum(density - jnp.log(slope), axis=-1)


def actor_critic(
    eye: Eye,
    *,
    actions: int,
    dim: int,
    hidden: int,
    discount: float,
    temperature: float,
    log_std: tuple[float, float],
    every: int,
    detach: bool,
) -> Agent:
    """A soft actor-critic with two critics and a learned temperature.

    Args:
      eye: see `eye_of`; the actor reads the maps through a head of its own.
      actions: a, numbers of an action.
      dim: of states.
      hidden: width of the two hidden layers of actor and critics.
      discount: of what comes later.
      temperature: where it starts.
      log_std: least and largest logarithm of the deviation of actions.
      every: steps between updates of actor and temperature.
      detach: the critics' gradient ends at the maps.

    Returns:
      The agent.
    """
    head = models.curl_head(dim=dim)
    layers: dict[str, Any] = dict(hidden=hidden, depth=3, norm=None, bias=True)
    trunk = models.mlp(dim=2 * actions, init="orthogonal", **layers)
    critic = models.mlp(dim=1, init="orthogonal", **layers)

    def init(key, maps):
        keys = jax.random.split(key, 4)
        state, judged = jnp.zeros((1, dim)), jnp.zeros((1, dim + actions))
        return {
            "actor": {
                "head": head.init(keys[0], maps)[0],
                "trunk": trunk.init(keys[1], state)[0],
            },
            "critic": {
                name: critic.init(own, judged)[0]
                for name, own in zip(("first", "second"), keys[2:], strict=True)
            },
            "temperature": {"log": jnp.log(jnp.float32(temperature))},
        }

    def act(params, maps, noise):
        state, _ = head.apply(params["actor"]["head"], {}, maps)
        out, _ = trunk.apply(params["actor"]["trunk"], {}, state)
        mean, spread = jnp.split(out, 2, axis=-1)
        if noise is None:
            noise = jnp.zeros_like(mean)
        low, high = log_std
        return squashed(mean, low + (high - low) * (jnp.tanh(spread) + 1) / 2, noise)

    def values(critics, state, action):
        judged = jnp.concatenate([state, action.astype(state.dtype)], axis=-1)
        both = [critic.apply(critics[k], {}, judged)[0] for k in ("first", "second")]
        return jnp.concatenate(both, axis=-1)

    objectives = _objectives(
        eye, act, values, actions=actions, discount=discount, every=every, detach=detach
    )
    return Agent(init, act, objectives)


def _objectives(
    eye: Eye, act, values, *, actions: int, discount: float, every: int, detach: bool
) -> dict[str, Objective]:
    def target(params, extra, batch, noise):
        """What the critics should say: the reward and the teacher's view of the next.

        The next action is the actor's own, on the online maps.
        """
        after, teacher = batch["views"][2], extra["teacher"]
        action, density = act(params, eye.maps(params, extra, after), noise)
        state = eye.state(teacher, extra, eye.maps(teacher, extra, after))
        value = values(teacher["critic"], state, action).min(axis=-1)
        value -= jnp.exp(params["temperature"]["log"]) * density
        value = batch["reward"] + discount * batch["not_done"] * value
        return jax.lax.stop_gradient(value)

    def critic(params, extra, batch, *, key, step):
        del step
        _check(batch, actions)
        wanted = target(params, extra, batch, _noise(batch, key, actions, 0))
        maps = eye.maps(params, extra, batch["views"][0])
        maps = jax.lax.stop_gradient(maps) if detach else maps
        state = eye.state(params, extra, maps)
        found = values(params["critic"], state, batch["action"])
        value = jnp.square(found - wanted[:, None]).mean(axis=0).sum()
        return value, Aux(extra, {"value": found.mean()})

    def embed(params, extra, batch, *, key, step):
        del step
        maps = eye.maps(params, extra, batch["views"][0])
        action, density = act(params, maps, _noise(batch, key, actions, 1))
        found = values(params["critic"], eye.state(params, extra, maps), action)
        return (density, found.min(axis=-1)), {}

    def compare(params, extra, batch, embeddings, *, key, step):
        """Hands on the density: the temperature wants that of the actor before it."""
        del batch, key, step
        density, value = embeddings
        cost = jnp.mean(jnp.exp(params["temperature"]["log"]) * density - value)
        mean = jax.lax.stop_gradient(density.mean())
        return cost, Aux({**extra, "density": mean}, {"entropy": -mean})

    def temperature(params, extra, batch, *, key, step):
        del batch, key, step
        alpha = jnp.exp(params["temperature"]["log"])
        return alpha * (actions - extra["density"]), Aux(extra, {"value": alpha})

    sees = ("encoder", "head", "critic")
    tempers = Objective(loss=temperature, separable=True, wrt=("temperature",))
    return {
        "critic": Objective(loss=critic, separable=True, wrt=sees),
        "actor": replace(compared(embed, compare), wrt=("actor",), every=every),
        "temperature": replace(tempers, every=every),
    }


def _noise(batch, key: Array, actions: int, place: int) -> Array:
    """Of the next action (0) and of the present one (1).

    A batch that brings noise of its own, `noise` `[b 2 actions]`, keeps it.
    """
    if "noise" in batch:
        return batch["noise"][:, place]
    image = batch["views"][0]
    return jax.random.normal(key, (len(image), actions), image.dtype)


def _check(batch, actions: int) -> None:
    """Raises unless the batch is of steps in an environment."""
    if missing := [name for name in FIELDS if name not in batch]:
        raise ValueError(
            f"an agent learns from steps in an environment: the batch has no {missing},"
            f" only {sorted(batch)}; give data.train="
            "dict(name='sslax.environments:transitions', environment=...), or "
            "actions=None, which leaves the contrast alone"
        )
    views_of(batch, 3, least=2)
    if (found := batch["action"].shape[1:]) != (actions,):
        raise ValueError(
            f"actions is {actions}, and those of the environment have the shape "
            f"{found}; give --config.method.actions={found[0] if found else 1}"
        )
