"""Where the time of a train step goes, for SimCLR at 32 px and MAE at 224 px.

python -m experiments.benchmarks.step [--repeats 5] [--simclr_batch 32] [--mae_batch 8]

Every part is compiled alone and timed in turn, so that drift of the machine hits all
alike; a number is the median. "model" is forward and backward of the whole objective
less the loss. Shares are of the sum of the parts; "step" is the fused program that
training runs.
"""

import argparse
import functools
import statistics
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import mae as mae_config
from configs import simclr as simclr_config
from sslax import calls, losses, platforms, sharding, step
from sslax.core import Method
from sslax.kinds import Builder
from sslax.views import normalized


class Case(NamedTuple):
    """A config, and its loss alone, as a function of random inputs of true shape.

    Without one it is what the method compares its embeddings by; see `core.Parts`.
    """

    name: str
    config: dict
    size: int
    batch: int
    loss: tuple | None = None
    channels: int = 3


def simclr_case(batch: int) -> Case:
    config = simclr_config.get_config("cifar10").to_dict()
    return Case("simclr ResNet-18 32 px", config, 32, batch)


def mae_case(batch: int) -> Case:
    config = mae_config.get_config("base").to_dict()
    config["method"]["encoder"]["size"] = "small"
    draw = jax.random.normal(jax.random.key(0), (2, batch, 196, 768))
    mask = jnp.ones((batch, 196))

    def loss(z):
        return losses.masked_mse(z[0], losses.normalize_patches(z[1]), mask)

    alone = (jax.value_and_grad(loss), (draw,))
    return Case("mae ViT-S/16 224 px", config, 224, batch, alone)


def compiled_parts(case: Case):
    """The parts as compiled functions without arguments, and what compiling told."""
    config, key = case.config, jax.random.key(0)
    method = calls.build(config["method"], Method)
    views = normalized(
        calls.build(config["views"], Builder), statistics=config["normalize"]
    )
    tx = calls.build(config["optimizer"], optax.GradientTransformation)
    pixels = np.random.default_rng(0).integers(
        0, 256, (case.batch, case.size, case.size, case.channels), np.uint8
    )
    index = jnp.arange(case.batch)
    batch = {"image": jnp.asarray(pixels), "index": index, "label": index % 10}
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    txs = dict.fromkeys(method.objectives, tx)
    init, shapes = step.compile_init(
        method, txs, views, mesh, sharding.replicated(), batch
    )
    state = init(batch, key)
    parts = parts_of(method, tx, views, state, batch, key, loss=case.loss)
    suited = platforms.compiler_options(jax.default_backend(), state.params)
    functions, flops = compiled_alone(parts, suited)
    began = time.perf_counter()
    train = step.compile_step(method, txs, views, mesh, shapes)
    built = train.lower(state, batch, key).compile()
    seconds, memory = time.perf_counter() - began, built.memory_analysis()
    peak = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    functions["step"] = donating(built, state, batch, key)
    facts = {"compile_s": seconds, "peak_MB": peak / 1e6, "flops": flops}
    return functions, {**facts, "temporary_MB": memory.temp_size_in_bytes / 1e6}


def parts_of(method: Method, tx, views, state, batch, key, *, loss=None):
    """What a step of one objective is made of: functions with their arguments."""
    ((name, objective),) = method.objectives.items()
    seen = jax.jit(views)(key, batch)

    def forward_backward(params, extra, seen):
        grad = jax.value_and_grad(objective.loss, has_aux=True)
        return grad(params, extra, seen, key=key, step=state.step)

    def update(params, grads, opt):
        updates, opt = tx.update(grads, opt, params)
        return optax.apply_updates(params, updates), opt

    def after(params, extra):
        return method.after_update(params, extra, step=state.step)[1]

    grads = jax.tree.map(jnp.ones_like, state.params)
    return {
        "views": (views, (key, batch)),
        "objective": (forward_backward, (state.params, state.extra, seen)),
        "loss": loss or comparison(objective.parts, state, seen, key),
        "optimizer": (update, (state.params, grads, state.opt[name])),
        "after": (after, (state.params, state.extra)),
    }


def compiled_alone(parts, options=None):
    """The parts as functions without arguments, and the FLOPs of the objective.

    Compiled with these options, so that they are those of the step.
    """
    functions, flops = {}, 0.0
    for part, (function, arguments) in parts.items():
        built = jax.jit(function).lower(*arguments).compile(compiler_options=options)
        functions[part] = lambda b=built, a=arguments: b(*a)
        if part == "objective":
            flops = built.cost_analysis()["flops"]
    return functions, flops


def comparison(parts, state, seen, key):
    """A method's loss and its gradient, of embeddings that are there."""
    if parts is None:  # a sum or a cross-entropy of one example
        return (lambda: 0.0), ()
    embed = jax.jit(functools.partial(parts.embed, key=key, step=state.step))
    embeddings, _ = embed(state.params, state.extra, seen)

    def loss(embeddings, params, extra, seen):
        rest = {"key": key, "step": state.step}
        return parts.compare(params, extra, seen, embeddings, **rest)

    arguments = (embeddings, state.params, state.extra, seen)
    # Tokens and places may stand among embeddings; they have no gradient.
    return jax.value_and_grad(loss, has_aux=True, allow_int=True), arguments


def shares_of(times: dict[str, float]) -> dict[str, float]:
    """Each part's share of their sum; "model" is the objective without the loss."""
    model = times["objective"] - times["loss"]
    parts = {"views": times["views"], "model": model, "loss": times["loss"]}
    parts |= {"optimizer": times["optimizer"], "EMA": times["after"]}
    return {name: part / sum(parts.values()) for name, part in parts.items()}


def donating(built, state, batch, key):
    """The step gives its state to the next call, as in training."""
    holder = [jax.tree.map(jnp.copy, state)]

    def run():
        holder[0], metrics = built(holder[0], batch, key)
        return metrics

    return run


def measure(functions, repeats: int) -> dict[str, float]:
    """Median seconds of each, called in turn."""
    times = timings(functions, repeats)
    return {name: statistics.median(values) for name, values in times.items()}


def timings(functions, repeats: int) -> dict[str, list[float]]:
    """Seconds of each, called in turn, after one call that is passed over."""
    for function in functions.values():
        jax.block_until_ready(function())
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            began = time.perf_counter()
            jax.block_until_ready(function())
            times[name].append(time.perf_counter() - began)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--simclr_batch", type=int, default=32)
    parser.add_argument("--mae_batch", type=int, default=8)
    args = parser.parse_args()
    platforms.keep_memory()
    device = jax.devices()[0]
    print(f"{device.device_kind}, {jax.device_count()} device(s), float32")
    header = ["case", "batch", "images/s", "step ms", "views %", "model %", "loss %"]
    header += ["optimizer %", "EMA %", "compile s", "peak MB", "model GFLOP/s"]
    print(" | ".join(header))
    shares = {}
    for key, case in (
        ("simclr32", simclr_case(args.simclr_batch)),
        ("mae224", mae_case(args.mae_batch)),
    ):
        functions, facts = compiled_parts(case)
        t = measure(functions, args.repeats)
        parts, model = shares_of(t), t["objective"] - t["loss"]
        row = [case.name, str(case.batch), f"{case.batch / t['step']:.1f}"]
        row += [f"{1e3 * t['step']:.0f}", *(f"{100 * p:.1f}" for p in parts.values())]
        row += [f"{facts['compile_s']:.1f}", f"{facts['peak_MB']:.0f}"]
        row += [f"{facts['flops'] / model / 1e9:.1f}"]
        print(" | ".join(row))
        shares[key] = 1 - parts["model"]
    line = " ".join(f"non_model_share_{k}={v:.3f}" for k, v in shares.items())
    print(f"step: {line}")


if __name__ == "__main__":
    main()
