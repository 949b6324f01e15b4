"""How well a linear classifier does on what images give away besides their content."""

import numpy as np
from sklearn.linear_model import LogisticRegression


def accuracy(cues, labels):
    """Logistic regression learns on every other example, and is right on so many.

    Args:
      cues: what could give the answer away, `[n ...]`.
      labels: the answers, `[n]`.

    Returns:
      The part of the other examples of which it tells the answer.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    cues = np.asarray(cues, np.float64).reshape(len(labels), -1)[order]
    cues = (cues - cues.mean(axis=0)) / (cues.std(axis=0) + 1e-9)
    labels = np.asarray(labels)[order]
    model = LogisticRegression(C=0.1, max_iter=200).fit(cues[::2], labels[::2])
    return model.score(cues[1::2], labels[1::2])
