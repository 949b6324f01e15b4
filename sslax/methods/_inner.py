"""What methods share whose papers evaluate an inner layer of the encoder."""

from __future__ import annotations

from sslax.core import Net, Output
from sslax.nets import features_of, readings

__all__ = ["inner_output", "inner_readings"]


def inner_output(encoder: Net, features: str | None) -> str | None:
    """The name of the output that is evaluated.

    Args:
      encoder: the encoder.
      features: the name asked for; None is the first that it gives.

    Returns:
      The name, or None where the encoder gives one array.

    Raises:
      ValueError: if the encoder does not give it.
    """
    if features is None:
        return encoder.outputs[0] if encoder.outputs else None
    if features not in encoder.outputs:
        raise ValueError(
            f"features={features!r} is no output of the encoder, which gives "
            f"{encoder.outputs or 'one array'}; make it with output=('pooled', "
            f"{features!r})"
        )
    return features


def inner_readings(net: Net, encoder: Net, features: str | None) -> dict[str, Output]:
    """The usual outputs of a method, with an inner layer as its features, in rows.

    Args:
      net: a net made by `chain`, whose group "encoder" the encoder is.
      encoder: the encoder.
      features: which of its outputs is evaluated; None is the first.

    Returns:
      "features", and "map" and "attention" where the encoder gives them.

    Raises:
      ValueError: if the encoder does not give these features.
    """
    read = features_of(net, "encoder", inner_output(encoder, features))

    def rows(params, extra, batch, *, key):
        found = read(params, extra, batch, key=key)
        return found.reshape(len(found), -1)

    return {**readings(net, "encoder", encoder), "features": rows}
