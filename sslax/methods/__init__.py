"""Methods: one factory a file, each returning a `sslax.core.Method`."""

from __future__ import annotations

from sslax.methods._align_uniform import align_uniform
from sslax.methods._barlow_twins import barlow_twins
from sslax.methods._beit import beit
from sslax.methods._byol import byol
from sslax.methods._classifier import classifier
from sslax.methods._clip import clip
from sslax.methods._cmc import cmc
from sslax.methods._colorization import colorization
from sslax.methods._context_prediction import context_prediction
from sslax.methods._convmae import convmae
from sslax.methods._counting import counting
from sslax.methods._cpc import cpc
from sslax.methods._cpc_v2 import cpc_v2
from sslax.methods._curl import curl
from sslax.methods._cut import cut
from sslax.methods._debiased import debiased
from sslax.methods._deepmim import deepmim
from sslax.methods._dino import dino
from sslax.methods._distillation import distillation
from sslax.methods._dvae import dvae
from sslax.methods._evolving import evolving
from sslax.methods._exemplar import exemplar
from sslax.methods._flatnce import flatnce
from sslax.methods._hard_negatives import hard_negatives
from sslax.methods._ibot import ibot
from sslax.methods._instdisc import instdisc
from sslax.methods._invaspread import invaspread
from sslax.methods._jigsaw import jigsaw
from sslax.methods._jigsaw_clustering import jigsaw_clustering
from sslax.methods._localmim import localmim
from sslax.methods._mae import mae
from sslax.methods._moco import moco
from sslax.methods._moco_backgrounds import moco_backgrounds
from sslax.methods._moco_v3 import moco_v3
from sslax.methods._nce import nce
from sslax.methods._nnclr import nnclr
from sslax.methods._pixcontrast import pixcontrast
from sslax.methods._pixpro import pixpro
from sslax.methods._rotation import rotation
from sslax.methods._siglip import siglip
from sslax.methods._simclr import simclr
from sslax.methods._simclr_memory import simclr_memory
from sslax.methods._simmim import simmim
from sslax.methods._simsiam import simsiam
from sslax.methods._supcon import supcon
from sslax.methods._swav import swav
from sslax.methods._vicreg import vicreg

__all__ = [
    "align_uniform",
    "barlow_twins",
    "beit",
    "byol",
    "classifier",
    "clip",
    "cmc",
    "colorization",
    "context_prediction",
    "convmae",
    "counting",
    "cpc",
    "cpc_v2",
    "curl",
    "cut",
    "debiased",
    "deepmim",
    "dino",
    "distillation",
    "dvae",
    "evolving",
    "exemplar",
    "flatnce",
    "hard_negatives",
    "ibot",
    "instdisc",
    "invaspread",
    "jigsaw",
    "jigsaw_clustering",
    "localmim",
    "mae",
    "moco",
    "moco_backgrounds",
    "moco_v3",
    "nce",
    "nnclr",
    "pixcontrast",
    "pixpro",
    "rotation",
    "siglip",
    "simclr",
    "simclr_memory",
    "simmim",
    "simsiam",
    "supcon",
    "swav",
    "vicreg",
]
