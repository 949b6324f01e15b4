"""CURL: arXiv:2004.04136, equation 4, beside a soft actor-critic: arXiv:1812.05905."""

import dataclasses

import jax
import numpy as np
import pytest

from sslax import methods
from sslax.core import Net
from tests.methods.following import RATE, colours, equal, follow, mlp, trace, train

ACTIONS, DISCOUNT, LOW, HIGH = 2, 0.9, -3.0, 1.0
AGENT = {"actions": ACTIONS, "dim": 3, "hidden": 4, "discount": DISCOUNT}
AGENT |= {"temperature": 0.3, "log_std": (LOW, HIGH)}
FOLLOW = {"critic": 0.8, "encoder": 0.6, "head": 0.6}


def mixed(channels):
    """A net of one matrix over the channels: maps of the size of the image."""

    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[-1], channels))}, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        return x @ params["w"], stats

    return Net(init, apply)


def state_of(maps, head):
    """A linear layer and layer norm on all of a map."""
    x = maps.reshape(len(maps), -1) @ head["linear"]["kernel"] + head["linear"]["bias"]
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
    return x * head["norm"]["scale"] + head["norm"]["bias"]


def seen(nets, image):
    return state_of(image @ nets["encoder"]["w"], nets["head"])


def acted(params, image, noise):
    """An action by tanh, and its log-density: Gaussian minus the slope of tanh."""
    state = state_of(image @ params["encoder"]["w"], params["actor"]["head"])
    mean, spread = np.split(mlp(state, params["actor"]["trunk"]), 2, axis=-1)
    std = np.exp(LOW + (HIGH - LOW) / 2 * (np.tanh(spread) + 1))
    before = mean + std * noise
    density = np.exp(-((before - mean) ** 2) / (2 * std**2)) / np.sqrt(2 * np.pi) / std
    slope = 1 - np.tanh(before) ** 2
    return np.tanh(before), np.log(density / (slope + 1e-6)).sum(axis=-1)


def judged(critics, state, action):
    x = np.concatenate([state, action], axis=-1)
    return [mlp(x, critics[k])[:, 0] for k in ("first", "second")]


def critic_loss(params, extra, batch):
    still, teacher = extra["still"], extra["teacher"]
    after = batch["views"][2]
    action, density = acted(still, after, batch["noise"][:, 0])
    worse = np.minimum(*judged(teacher["critic"], seen(teacher, after), action))
    worse = worse - np.exp(still["temperature"]["log"]) * density
    wanted = batch["reward"] + DISCOUNT * batch["not_done"] * worse
    found = judged(params["critic"], seen(params, batch["views"][0]), batch["action"])
    return sum(((q - wanted) ** 2).mean() for q in found)


def actor_loss(params, extra, batch):
    image = batch["views"][0]
    action, density = acted(params, image, batch["noise"][:, 1])
    worse = np.minimum(*judged(params["critic"], seen(params, image), action))
    return (np.exp(params["temperature"]["log"]) * density - worse).mean()


def contrast_loss(params, extra, batch):
    """Equation 4: which code of the teacher is that of the other crop."""
    anchor, positive = batch["views"][:2]
    codes = seen(params, anchor) @ params["bilinear"]["kernel"]
    scores = codes @ seen(extra["teacher"], positive).T
    return np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diagonal(scores))


def descended(loss, params, groups, extra, batch):
    """One step down the slope of central differences, of all numbers of the groups."""
    extra = {**extra, "still": params}
    live = jax.tree.map(np.array, {k: params[k] for k in groups})
    slopes = jax.tree.map(np.zeros_like, live)
    for x, slope in zip(*map(jax.tree.leaves, (live, slopes)), strict=True):
        for i in np.ndindex(x.shape):
            kept, ends = x[i], []
            for end in (1e-6, -1e-6):
                x[i] = kept + end
                ends.append(loss({**params, **live}, extra, batch))
            x[i], slope[i] = kept, (ends[0] - ends[1]) / 2e-6
    moved = jax.tree.map(lambda p, g: p - RATE * g, live, slopes)
    return {**params, **moved}


def followed(teacher, params):
    return {
        k: jax.tree.map(lambda t, s, m=m: m * t + (1 - m) * s, teacher[k], params[k])
        for k, m in FOLLOW.items()
    }


def stepped(before, batch, number, contrast_every):
    """The parameters, the teacher and the losses after a step of the released code."""
    params, extra, losses = before.params, before.extra, {}
    losses["critic"] = critic_loss(params, {**extra, "still": params}, batch)
    groups = ("encoder", "head", "critic")
    params = descended(critic_loss, params, groups, extra, batch)
    if number % 2 == 0:
        losses["actor"] = actor_loss(params, extra, batch)
        noise = batch["noise"][:, 1]
        entropy = -acted(params, batch["views"][0], noise)[1].mean()
        alpha = np.exp(params["temperature"]["log"])
        losses["temperature"] = alpha * (entropy + ACTIONS)
        params = descended(actor_loss, params, ("actor",), extra, batch)
        cooler = params["temperature"]["log"] - RATE * losses["temperature"]
        params = {**params, "temperature": {"log": cooler}}
        extra = {**extra, "teacher": followed(extra["teacher"], params)}
    if contrast_every and number % contrast_every == 0:
        losses["contrast"] = contrast_loss(params, extra, batch)
        groups = ("encoder", "head", "bilinear")
        params = descended(contrast_loss, params, groups, extra, batch)
    return params, extra["teacher"], losses


def begun(method, rng):
    """Started anywhere: no bias at the kink of a ReLU, another teacher."""

    def init(key, batch):
        shapes = jax.eval_shape(method.init, key, batch)
        return jax.tree.map(lambda x: rng.normal(size=x.shape) / 2, shapes)

    return dataclasses.replace(method, init=init)


def batches(rng, count=3, b=4):
    draw = rng.normal
    return [
        {
            "views": tuple(draw(size=(3, b, 2, 2, 3))),
            "action": draw(size=(b, ACTIONS)),
            "reward": draw(size=b),
            "not_done": np.array([1.0, 0.0, 1.0, 1.0]),
            "noise": draw(size=(b, 2, ACTIONS)),
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize("contrast_every", [1, 3])
def test_three_steps_are_those_of_the_released_order(rng, contrast_every):
    """Critics, actor, temperature, teacher, contrast; the teacher rests where due."""
    method = methods.curl(
        mixed(2),
        momentum=FOLLOW["critic"],
        encoder_momentum=FOLLOW["encoder"],
        contrast_every=contrast_every,
        **AGENT,
    )
    steps = train(begun(method, rng), batches(rng))
    for number, (before, batch, metrics, after) in enumerate(steps):
        params, teacher, losses = stepped(before, batch, number, contrast_every)
        for name, value in losses.items():
            np.testing.assert_allclose(metrics[f"{name}/loss"], value, rtol=1e-5)
        for got, wanted in ((after.params, params), (after.extra["teacher"], teacher)):
            jax.tree.map(
                lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6),
                got,
                wanted,
            )


def test_the_contrast_stands_alone_on_any_images(rng):
    method = methods.curl(mixed(2), dim=3, encoder_momentum=0.6, follow_every=1)
    views = rng.normal(size=(3, 2, 4, 2, 2, 3))

    def loss(params, extra, batch):
        teacher = extra["teacher"]
        still = {k: extra["still"][k] for k in teacher}
        mean = jax.tree.map(lambda t, s: 0.6 * t + 0.4 * s, teacher, still)
        return contrast_loss(params, {"teacher": mean}, batch)

    steps = follow(method, [{"views": tuple(pair)} for pair in views], loss)
    before, after = steps[1].before, steps[1].after
    for name, old in before.extra["teacher"].items():
        want = jax.tree.map(lambda t, s: 0.6 * t + 0.4 * s, old, before.params[name])
        equal(after.extra["teacher"][name], want)


def test_what_an_agent_cannot_learn_from_is_told(rng):
    method = methods.curl(mixed(2), **AGENT)
    [batch] = jax.device_put(batches(rng, 1))

    def critic(batch):
        def run(key):
            params, extra = method.init(key, batch)
            return method.objectives["critic"].loss(
                params, extra, batch, key=key, step=0
            )

        return jax.eval_shape(run, jax.random.key(0))

    with pytest.raises(ValueError, match=r"no \['reward'\].*actions=None"):
        critic({k: v for k, v in batch.items() if k != "reward"})
    with pytest.raises(ValueError, match=r"actions is 2.*--config.method.actions=1"):
        critic({**batch, "action": batch["action"][:, :1]})
    with pytest.raises(ValueError, match="takes 3 or more views of an image; got 2"):
        critic({**batch, "views": batch["views"][:2]})
    with pytest.raises(ValueError, match="nothing would be learnt"):
        methods.curl(mixed(2), contrast_every=0)
    with pytest.raises(ValueError, match="two rising numbers"):
        methods.curl(mixed(2), log_std=(2.0, -10.0))
    with pytest.raises(ValueError, match="without batch norm"):
        trace(methods.curl(colours(2)), {"views": batch["views"][:2]})
