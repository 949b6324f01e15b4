"""A supervised classifier: fine-tuning, a linear probe as a run, the baseline."""

from __future__ import annotations

import jax
import optax

from sslax import models
from sslax.checks import check_below_one
from sslax.core import Aux, Method, Net, Objective
from sslax.nets import chain, features_of, main_output, readings

__all__ = ["classifier"]


def classifier(
    encoder: Net,
    *,
    classes: int,
    projector: Net | None = None,
    frozen: bool = False,
    head_init: str | float | int = "normal",
    head_norm: bool = False,
    smoothing: float | int = 0.0,
) -> Method:
    """Cross-entropy of a linear classifier on an encoder, all of it trained.

    From weights of another run (`config.start`) this is fine-tuning, with `frozen` a
    linear probe, and from random weights the supervised baseline. Parts of an encoder
    are held by the optimizer: `optim.frozen`, `optim.layer_decay`, `optim.grouped`.

    Args:
      encoder: images to features [b d].
      classes: the number of classes.
      projector: what stands between the features and the classifier: SimCLR v2 starts
        from the first layer of its projection head, `models.mlp(output="hidden1")`.
      frozen: train the classifier alone, on an encoder in inference mode.
      head_init: start of the classifier, as in `models.linear`: "normal" (deviation
        0.01) for probes, 2e-5 for MAE's and BEiT's fine-tuning, "zeros" for SimCLR's.
      head_norm: batch norm without scale and shift before the classifier (MAE's probe).
      smoothing: how much of a label is spread over all classes; targets are not
        smoothed again.

    Returns:
      A method with groups "encoder", "projector" where there is one, and "classifier",
      for batches with one view and "target" [b classes] (`views.fine_tuned`) or
      "label" [b]. Its outputs are "features", of the encoder, and "logits".

    Raises:
      ValueError: if there are fewer than two classes, or `smoothing` is not in [0, 1);
        and, when it is called, if a batch has neither a target of so many classes nor
        labels.

    Example:
      >>> method = classifier(models.convnet(), classes=10)

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, appendix A.1. Chen et al., Big Self-Supervised Models are Strong
      Semi-Supervised Learners, 2020, arXiv:2006.10029, section 2.
    """
    _check(classes, smoothing)
    parts = {"encoder": encoder}
    if projector is not None:
        parts["projector"] = projector
    body, names = chain(**parts), tuple(parts)
    last = parts[names[-1]]
    head = models.linear(dim=classes, init=head_init, input_norm=head_norm)
    net = chain(**parts, classifier=head)

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    def train(params, stats, image, key):
        if not frozen:
            return net.apply(params, stats, image, train=True, key=key)
        inner, kept = ({k: tree[k] for k in names} for tree in (params, stats))
        out, _ = body.apply(inner, kept, image)
        features = jax.lax.stop_gradient(main_output(last, out[names[-1]]))
        logits, new = head.apply(
            params["classifier"], stats["classifier"], features, train=True, key=key
        )
        return {"classifier": logits}, {**kept, "classifier": new}

    def loss(params, extra, batch, *, key, step):
        del step
        out, stats = train(params, extra["stats"], batch["views"][0], key)
        logits = out["classifier"]
        target = _target(batch, classes, smoothing, logits.dtype)
        value = optax.softmax_cross_entropy(logits, target).mean()
        right = (logits.argmax(axis=-1) == target.argmax(axis=-1)).mean()
        return value, Aux({**extra, "stats": stats}, {"accuracy": right})

    wrt = ("classifier",) if frozen else None
    return Method(
        init=init,
        objectives={"supervised": Objective(loss=loss, wrt=wrt, separable=True)},
        outputs={
            **readings(net, "encoder", encoder),
            "logits": features_of(net, "classifier"),
        },
    )


def _check(classes, smoothing):
    if classes < 2:
        raise ValueError(f"classes must be at least 2; got {classes}")
    check_below_one(smoothing=smoothing)


def _target(batch, classes, smoothing, dtype):
    """The target that views made, or labels as one-hot rows, smoothed."""
    if "target" in batch:
        target = batch["target"]
        if target.shape[-1] != classes:
            raise ValueError(
                f"the target has {target.shape[-1]} classes, the method {classes}; "
                "views and method must say the same number"
            )
        return target
    if "label" not in batch:
        raise ValueError(
            "a classifier needs labels: the batch has no 'target' and no 'label', only "
            f"{sorted(batch)}"
        )
    rows = jax.nn.one_hot(batch["label"], classes, dtype=dtype)
    return (1.0 - smoothing) * rows + smoothing / classes
