"""The hidden layers of a network: four trunks that read and return ``(batch, *positions, width)``."""

from .base import TRUNKS, Custom, Stage, Trunk, trunk_named
from .convolutional import Convolutional
from .dense import Dense
from .features import Features, Need
from .recurrent import Lstm, Recurrent
from .transformer import Transformer

__all__ = [
    "TRUNKS",
    "Convolutional",
    "Custom",
    "Dense",
    "Features",
    "Lstm",
    "Need",
    "Recurrent",
    "Stage",
    "Transformer",
    "Trunk",
    "trunk_named",
]
