"""A context of sequences: a recurrent network down the columns of a grid."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_positive
from sslax.core import Net
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["gru_context"]


class GRUContext(nn.Module):
    """A gated recurrent unit over rows; every column by itself."""

    width: int
    dtype: Any = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b h w d"]:
        del train  # nothing is dropped or normalised
        batch, rows, columns, channels = x.shape
        sequences = x.swapaxes(1, 2).reshape(batch * columns, rows, channels)
        dtype = self.dtype or jnp.promote_types(x.dtype, jnp.float32)
        start = jnp.zeros((batch * columns, self.width), dtype)
        cell = nn.GRUCell(self.width, dtype=dtype)
        out = nn.RNN(cell, name="rnn")(sequences, initial_carry=start)
        out = out.reshape(batch, columns, rows, self.width).swapaxes(1, 2)
        return at_least_float32(out)


def gru_context(*, width: int = 256, dtype: str | None = None) -> Net:
    """The context of CPC for sequences: a gated recurrent unit (GRU).

    A sequence is a column of a grid, from above to below: codes of the rows of an
    image are a grid of one column. Columns are summed up each by itself.

    Args:
      width: of the state, which is the context; 256 in the paper's audio.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of grids of codes `[b h w d]` with contexts `[b h w width]`, at least
      float32. The context of row r is of the rows 0 to r.

    Raises:
      ValueError: a width below 1, or an unknown dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net, codes = gru_context(width=4), jnp.ones((2, 7, 1, 8))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), codes)
      >>> jax.eval_shape(net.apply, params, stats, codes)[0].shape
      (2, 7, 1, 4)

    References:
      van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
      2018, arXiv:1807.03748, sections 3.1 and 3.3. Cho et al., "Learning Phrase
      Representations using RNN Encoder-Decoder", 2014, arXiv:1406.1078.
    """
    check_positive(width=width)
    return from_linen(GRUContext(width=width, dtype=compute_dtype(dtype)))
