"""CURL's training steps: the whole agent, and the contrast alone."""

from __future__ import annotations

import numpy as np

from sslax import methods, models, optim
from tests.goldens.reading import choice
from tests.goldens.trajectories import steps
from tests.goldens.trajectories.names import Names, prefixed

_TRUNK = {f"trunk.{2 * i}": f"linear{i + 1}" for i in range(3)}
_SEEN = {"fc": "linear", "ln": "norm"}
_CRITICS = {
    f"Q{i}.{theirs}": f"critic/{own}/{ours}"
    for i, own in ((1, "first"), (2, "second"))
    for theirs, ours in _TRUNK.items()
}
ACTOR = Names(
    {f"encoder.{theirs}": f"head/{ours}" for theirs, ours in _SEEN.items()}
    | {theirs: f"trunk/{ours}" for theirs, ours in _TRUNK.items()}
)
_OPTIMIZERS = (
    "torch.optim.Adam, two over the encoder; one for critic, actor, log_alpha each",
    "torch.optim.Adam, two over the encoder",
)


def curl(case):
    hyper, has_agent = case["hyper"], "actions" in case["hyper"]
    main, start = ("critic", "encoder.") if has_agent else ("online", "")
    stored = {k: steps.initial(case, k) for k in (main, "target")}
    depth, batches = hyper["num_layers"], _batches(case, has_agent)
    width, channels = stored[main][f"{start}convs.0.weight"].shape[:2]
    steps.same(
        channels=(hyper["channels"], channels),
        batch=(hyper["batch"], batches["views"][0].shape[1]),
        steps=(hyper["K"], steps.count(case)),
    )
    method = methods.curl(
        models.curl_encoder(width=width, layers=depth, dim=None),
        dim=hyper["encoder_feature_dim"],
        encoder_momentum=1 - hyper["encoder_tau"],
        follow_every=hyper["critic_target_update_freq"],
        **(_agent(case, width) if has_agent else {}),
    )
    params, extra = steps.blank(method, steps.first(batches))
    names = _names(depth, start)
    for group, tree in ((main, params), ("target", extra["teacher"])):
        seen = {k: tree[k] for k in extra["teacher"]}
        theirs = _turned(stored[group], f"{start}fc.weight", width)
        tree.update(names.read(theirs, seen, {})[0])
    params["bilinear"] = {"kernel": steps.initial(case, "curl")["W"]}
    final = {}
    if has_agent:
        stored["actor"] = steps.initial(case, "actor")
        theirs = _turned(stored["actor"], "encoder.fc.weight", width)
        params["actor"], _ = ACTOR.read(theirs, params["actor"], {})
        params["temperature"] = {"log": steps.initial(case, "alpha")["log_alpha"]}
        steps.same(
            alpha=(np.exp(params["temperature"]["log"]), hyper["init_temperature"])
        )
    txs = _optimizers(case, has_agent)
    metrics, state = steps.run(
        method, txs, batches, params, extra, start=hyper["start"]
    )
    for group, tree in ((main, state.params), ("target", state.extra["teacher"])):
        out = names.write(tree, {}, stored[group])
        out = _turned(out, f"{start}fc.weight", width, back=True)
        final |= prefixed(out, f"{group}/")
    final["curl/W"] = state.params["bilinear"]["kernel"]
    found = {"loss": metrics["contrast/loss"], "final": final}
    if has_agent:
        out = ACTOR.write(state.params["actor"], {}, stored["actor"])
        out = _turned(out, "encoder.fc.weight", width, back=True)
        final |= prefixed(out, "actor/")
        final["alpha/log_alpha"] = state.params["temperature"]["log"]
        theirs = {"critic": "critic", "actor": "actor", "temperature": "alpha"}
        found |= {f"{v}_loss": metrics[f"{k}/loss"] for k, v in theirs.items()}
    return found


def _names(depth, start):
    convs = {f"{start}convs.{i}": f"encoder/conv{i + 1}" for i in range(depth)}
    heads = {f"{start}{theirs}": f"head/{ours}" for theirs, ours in _SEEN.items()}
    return Names(convs | heads | _CRITICS)


def _turned(arrays, name, channels, *, back=False):
    """The layer behind the map, a square, has its channels first there, here last."""
    x = np.asarray(arrays[name])
    side = round((x.shape[1] / channels) ** 0.5)
    shape = (side, side, channels) if back else (channels, side, side)
    order = (0, 3, 1, 2) if back else (0, 2, 3, 1)
    return {**arrays, name: x.reshape(-1, *shape).transpose(order).reshape(x.shape)}


def _batches(case, has_agent):
    """Frames of 0 to 255, which their encoder divides; drawn numbers are inputs."""
    seen = ["view0", "view1", "next_view0"][: 3 if has_agent else 2]
    batches = {"views": tuple(steps.inputs(case, name) / 255 for name in seen)}
    if not has_agent:
        return batches
    noise = [steps.inputs(case, f"noise_{name}") for name in ("critic", "actor")]
    columns = {k: steps.inputs(case, k)[..., 0] for k in ("reward", "not_done")}
    batches |= {"action": steps.inputs(case, "action"), **columns}
    return {**batches, "noise": np.stack(noise, axis=2)}


def _agent(case, width):
    hyper = case["hyper"]
    steps.same(filters=(hyper["num_filters"], width))
    return {
        "actions": hyper["actions"],
        "hidden": hyper["hidden_dim"],
        "discount": hyper["discount"],
        "temperature": hyper["init_temperature"],
        "log_std": (hyper["actor_log_std_min"], hyper["actor_log_std_max"]),
        "momentum": 1 - hyper["critic_tau"],
        "actor_every": hyper["actor_update_freq"],
        "contrast_every": hyper["cpc_update_freq"],
        "detach": hyper["detach_encoder"],
    }


def _optimizers(case, has_agent):
    hyper, given = case["hyper"], case["optimizer"]["args"]
    choice(case["optimizer"], "name", dict.fromkeys(_OPTIMIZERS, optim.adam))
    b1, b2 = given["betas"]
    steps.same(lr=(given["lr"], hyper["encoder_lr"]))
    steps.agree(case, "encoder_lr", hyper["encoder_lr"])
    steps.agree(case, "step", lambda k: hyper["start"] + k)

    def adam(rate, b1):
        return optim.adam(learning_rate=rate, b1=b1, b2=b2, eps=given["eps"])

    both = adam(hyper["encoder_lr"], b1)
    txs = {"contrast": optim.doubled(both, match=("^encoder/", "^head/"))}
    if has_agent:
        theirs = {"critic": "critic", "actor": "actor", "temperature": "alpha"}
        txs |= {
            k: adam(hyper[f"{v}_lr"], hyper[f"{v}_beta"]) for k, v in theirs.items()
        }
    return txs


TRAJECTORIES = {"curl": curl}
