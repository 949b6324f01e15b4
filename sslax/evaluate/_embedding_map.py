"""A map of features on a plane, to look at."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array, Float

from sslax.evaluate._checks import Features, check_features, raised_numpy


def embedding_map(
    features: Features, *, key: Array, perplexity: float = 30.0
) -> Float[np.ndarray, "n 2"]:
    """Features laid out on a plane by t-SNE, for the eye only.

    Near rows stay near; distances between groups and their sizes mean nothing. Rows are
    l2-normalised, reduced to 50 dimensions by PCA, and start from their PCA.

    Args:
      features: [n d]; the cost grows with n log n: 2,000 rows take seconds.
      key: of the optimisation.
      perplexity: about the number of neighbours each row attends to, below n.

    Returns:
      Positions [n 2], in [0, 1], one scale for both axes.

    Raises:
      ValueError: if features are not [n d] or perplexity is not below n.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(20, 4))
      >>> embedding_map(x, key=jax.random.key(0), perplexity=5.0).shape
      (20, 2)

    References:
      van der Maaten, Hinton. Visualizing Data using t-SNE. JMLR 9, 2008.
    """
    check_features(features=features)
    n = features.shape[0]
    if not 0 < perplexity < n:
        raise ValueError(f"perplexity must be in (0, {n}) for {n} rows: {perplexity}")
    import threadpoolctl
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = raised_numpy(features)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
    reduced = PCA(min(50, *x.shape), random_state=seed).fit_transform(x)
    start = 1e-4 * reduced[:, :2] / max(float(reduced[:, 0].std()), 1e-12)
    if start.shape[1] < 2:
        start = np.pad(start, ((0, 0), (0, 1)))
    tsne = TSNE(perplexity=perplexity, init=start, random_state=seed, max_iter=500)
    # Its threads wait in busy loops: on a machine at work they are slower than one.
    with threadpoolctl.threadpool_limits(1):
        xy = tsne.fit_transform(reduced)
    xy = xy - xy.min(axis=0)
    return xy / max(float(xy.max()), 1e-12)
