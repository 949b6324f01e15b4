"""What methods need of the losses beside them: how a target is undone for a picture."""

from sslax.losses._reconstruction import centred_windows

__all__ = ["centred_windows"]
