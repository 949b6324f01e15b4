"""Adapters from stored cases to public sslax functions: evaluate."""

from __future__ import annotations

import numpy as np

from sslax import evaluate
from tests.goldens.reading import pair


def _knn(arrays, parameters):
    train, test = arrays["in/train_features"], arrays["in/test_features"]
    truth = arrays["in/test_labels"]
    out = {}
    for k in parameters["k"]:
        for t in parameters["temperature"]:
            shares = evaluate.knn(
                train,
                arrays["in/train_labels"],
                test,
                classes=parameters["classes"],
                k=k,
                temperature=t,
                normalize=False,  # they are unit vectors, to float32 rounding
            )
            cosine, _ = evaluate.neighbours(train, test, k=k, normalize=False)
            # The reference reports votes that are not normalised.
            votes = np.exp(np.asarray(cosine, np.float64) / t).sum(1, keepdims=True)
            named = f"k{k}_T{t}"
            out[f"out/scores_{named}"] = np.asarray(shares, np.float64) * votes
            out[f"out/prediction_{named}"] = np.asarray(shares).argmax(1)
            order = np.argsort(-np.asarray(shares), axis=1, kind="stable")
            out[f"out/ranking_{named}"] = order[:, :5]
            top5 = min(5, k, parameters["classes"])
            out[f"out/top1_percent_{named}"] = evaluate.accuracy(shares, truth)
            out[f"out/top5_percent_{named}"] = evaluate.accuracy(
                shares, truth, topk=top5
            )
    return out


def _accuracy(arrays, parameters):
    logits, labels = arrays["in/logits"], arrays["in/labels"]
    classes = logits.shape[1]
    true = np.arange(classes) == labels[:, None]

    def percents(logits, labels):
        return np.asarray(
            [evaluate.accuracy(logits, labels, topk=k) for k in parameters["k"]]
        )

    out = {
        "out/lowest_index": percents(logits, labels),
        # scikit-learn lets the highest class win a tie.
        "out/sklearn": percents(logits[:, ::-1].copy(), classes - 1 - labels),
        # The bounds: a tie always won, a tie always lost.
        "out/optimistic": percents(
            np.where(true, np.nextafter(logits, np.inf), logits), labels
        ),
        "out/pessimistic": percents(
            np.where(true, np.nextafter(logits, -np.inf), logits), labels
        ),
    }
    if not parameters["ties"]:
        out["out/timm"] = out["out/lowest_index"]
    return out


def _cka(arrays, parameters):
    x, y = arrays["in/X"], arrays["in/Y"]
    return {
        "out/linear_cka": evaluate.linear_cka(x, y),
        "out/linear_cka_self": evaluate.linear_cka(x, x),
        # The case scales by any factor and rotates by the given matrix.
        "out/linear_cka_scaled": evaluate.linear_cka(3 * x, y),
        "out/linear_cka_rotated": evaluate.linear_cka(x @ arrays["in/Q"], y),
        "out/rbf_cka": evaluate.rbf_cka(x, y),
    }


def _attention(arrays, parameters):
    attention = arrays["in/attention"]
    grid = pair(parameters["grid"])
    where = dict(grid=grid, patch_size=float(parameters["patch_size"]))
    plain = evaluate.attention_distance(attention, renormalize=False, **where)
    return {
        "out/distance_matrix": evaluate.patch_distances(**where),
        "out/distance_renormalised": evaluate.attention_distance(attention, **where),
        "out/distance_plain": plain,
        "out/entropy": evaluate.attention_entropy(attention),
        "out/head_kl": evaluate.head_divergence(attention),
        "out/nmi": evaluate.attention_information(attention),
    }


CONTRASTIVE: dict = {}
SKIPPED: dict = {
    "eval/accuracy": {
        "out/timm": "returned where nothing ties; ties go as torch sorts that day"
    },
}
NOT_READ: dict = {
    "eval/knn": {
        "train": "a side of the inputs",
        "test": "a side of the inputs",
        "dim": "a side of the inputs",
    },
    "eval/cka": {
        "n": "a side of the inputs",
        "dim_x": "a side of the inputs",
        "dim_y": "a side of the inputs",
    },
    "eval/attention": {"heads": "a side of the inputs"},
}
VISION: dict = {
    "eval/knn": _knn,
    "eval/accuracy": _accuracy,
    "eval/cka": _cka,
    "eval/attention": _attention,
}
