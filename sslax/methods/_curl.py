"""CURL: contrast of two crops beside a soft actor-critic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from sslax import losses, memory, models
from sslax.checks import check_positive, check_probability
from sslax.core import Aux, Method, Net, Objective, compared
from sslax.methods._sac import Agent, Eye, actor_critic, eye_of
from sslax.nets import chain, features_of, views_of

__all__ = ["curl"]


def curl(
    encoder: Net,
    *,
    actions: int | None = None,
    dim: int = 50,
    hidden: int = 1024,
    discount: float = 0.99,
    temperature: float = 0.1,
    log_std: Sequence[float] = (-10.0, 2.0),
    momentum: float = 0.99,
    encoder_momentum: float = 0.95,
    follow_every: int = 2,
    actor_every: int = 2,
    contrast_every: int = 1,
    detach: bool = False,
) -> Method:
    """An agent that learns from pixels, whose encoder tells crops of its stacks apart.

    In a step: the critics, whose gradient reaches the encoder; every second step the
    actor, on maps that it does not move, and the temperature; the teacher follows; and
    the contrast: a crop finds, by a bilinear score, the teacher's code of another crop
    of the same stack of frames.

    Args:
      encoder: stacks of frames to the maps that actor and critics share, as
        `models.curl_encoder(dim=None)`; without batch norm.
      actions: numbers of an action; None is the contrast alone, on any images.
      dim: of the states that heads make of the maps.
      hidden: width of the two hidden layers of actor and critics.
      discount: of later rewards.
      temperature: where the learned one starts.
      log_std: least and largest logarithm of the deviation of actions.
      momentum: of the teacher's critics, 1 - tau.
      encoder_momentum: of its encoder and head.
      follow_every: steps between moves of the teacher.
      actor_every: steps between updates of actor and temperature.
      contrast_every: steps between updates of the contrast; 0 is the agent without it.
      detach: the critics' gradient ends at the maps: the contrast alone trains them.

    Returns:
      A method with groups "encoder", "head" and "bilinear", and with `actions` "actor",
      "critic" and "temperature", for batches of `views.frame_crops`; its objectives are
      "critic", "actor", "temperature" and "contrast". Features are the states; "action"
      [b actions] is drawn by the key, or without one the likeliest.

    Raises:
      ValueError: if a number is out of range, or nothing would be learnt; as init or a
        loss is traced, for batch norm, fewer views, or actions of another width.

    Note:
      The released code steps the encoder twice at each contrast, by two optimizers on
      one gradient: `optim.doubled(..., match=("^encoder/", "^head/"))`. The actor's
      head is its own and trained with it. Atari's agent is another: left out.

    Example:
      >>> method = curl(models.curl_encoder(dim=None), actions=1)
      >>> list(method.objectives)
      ['critic', 'actor', 'temperature', 'contrast']

    References:
      Laskin et al., CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning, 2020, arXiv:2004.04136, equation 4 and section 4; Haarnoja et al., Soft
      Actor-Critic Algorithms and Applications, 2018, arXiv:1812.05905, sections 4, 5.
    """
    check_probability(discount=discount, momentum=momentum)
    check_probability(encoder_momentum=encoder_momentum)
    check_positive(temperature=temperature, dim=dim, hidden=hidden)
    _check_periods(actions, log_std, follow_every, actor_every, contrast_every)
    seeing = chain(encoder=encoder, head=models.curl_head(dim=dim))
    eye = eye_of(encoder, models.curl_head(dim=dim))
    agent = actions and actor_critic(
        eye,
        actions=actions,
        dim=dim,
        hidden=hidden,
        discount=discount,
        temperature=temperature,
        log_std=tuple(log_std),
        every=actor_every,
        detach=detach,
    )
    rates = {"encoder": encoder_momentum, "head": encoder_momentum, "critic": momentum}

    def init(key, batch):
        keys = jax.random.split(key, 3)
        view = views_of(batch, 3 if agent else 2, least=2, more=True)[0]
        params, stats = seeing.init(keys[0], view)
        _refuse_batch_norm(stats)
        params["bilinear"] = {"kernel": jax.random.uniform(keys[1], (dim, dim))}
        extra: dict[str, Any] = {"stats": stats}
        if agent:
            maps = eye.maps(params, extra, view)
            params |= agent.init(keys[2], maps)
            extra["density"] = jnp.zeros([])
        if not contrast_every:
            del params["bilinear"]
        return params, {
            **extra,
            "teacher": {k: params[k] for k in rates if k in params},
        }

    follow = _following(rates, follow_every)
    objectives = dict(agent.objectives) if agent else {}
    if contrast_every:
        objectives["contrast"] = _contrast(eye, follow, contrast_every)

    def after_update(params, extra, *, step):
        """At steps without the contrast, which else has moved the teacher."""
        if contrast_every == 1:
            return params, extra
        old, new = extra["teacher"], follow(params, extra, step)
        done = step % contrast_every == 0 if contrast_every else False
        return params, {**extra, "teacher": _where(done, old, new)}

    return Method(
        init=init,
        objectives=objectives,
        outputs=_outputs(seeing, eye, agent, actions),
        after_update=after_update,
    )


def _following(rates, every: int):
    def follow(params, extra, step):
        """The teacher of this step, which the contrast already reads."""
        params, old = jax.lax.stop_gradient(params), extra["teacher"]
        new = {k: memory.ema(old[k], params[k], momentum=rates[k]) for k in old}
        return _where(step % every == 0, new, old)

    return follow


def _where(condition, yes, no):
    return jax.tree.map(lambda y, n: jnp.where(condition, y, n), yes, no)


def _contrast(eye: Eye, follow, every: int) -> Objective:
    def embed(params, extra, batch, *, key, step):
        del key
        anchor, positive = views_of(batch, 2, least=2, more=True)[:2]
        teacher = follow(params, extra, step)
        code = eye.state(params, extra, eye.maps(params, extra, anchor))
        own = eye.state(teacher, extra, eye.maps(teacher, extra, positive))
        return (code, jax.lax.stop_gradient(own)), {}

    def compare(params, extra, batch, embeddings, *, key, step):
        del batch, key
        (code, own), matrix = embeddings, params["bilinear"]["kernel"]
        value = losses.curl(code, own, matrix)
        best = jnp.argmax(code @ matrix @ own.T, axis=1)
        right = jnp.mean(best == jnp.arange(len(code)))
        extra = {**extra, "teacher": follow(params, extra, step)}
        return value, Aux(extra, {"accuracy": 100.0 * right})

    groups = ("encoder", "head", "bilinear")
    return replace(compared(embed, compare), wrt=groups, every=every)


def _outputs(seeing: Net, eye: Eye, agent: Agent | None, actions: int | None) -> dict:
    outputs = {"features": features_of(seeing, "head")}

    def action(params, extra, batch, *, key):
        maps = eye.maps(params, extra, batch["views"][0])
        shape = (len(maps), actions)
        noise = None if key is None else jax.random.normal(key, shape, maps.dtype)
        return agent.act(params, maps, noise)[0]

    return {**outputs, "action": action} if agent else outputs


def _check_periods(actions, log_std, follow_every, actor_every, contrast_every) -> None:
    for name, value, least in (
        ("actions", 1 if actions is None else actions, 1),
        ("follow_every", follow_every, 1),
        ("actor_every", actor_every, 1),
        ("contrast_every", contrast_every, 0),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
    if actions is None and not contrast_every:
        raise ValueError(
            "without actions and with contrast_every=0 nothing would be learnt; give "
            "actions, or contrast_every=1"
        )
    if len(log_std) != 2 or log_std[0] >= log_std[1]:
        raise ValueError(
            f"log_std is {tuple(log_std)}; it must be two rising numbers, as (-10, 2)"
        )


def _refuse_batch_norm(stats) -> None:
    if jax.tree.leaves(stats):
        raise ValueError(
            "curl takes an encoder without batch norm, whose statistics would be those "
            "of frames that change with the agent: models.curl_encoder(dim=None), or "
            "norm='none' where a net has it"
        )
