"""The hidden layers of a network: trunks that read and return ``(batch, *positions, width)``."""

from .base import TRUNKS, Custom, Inside, Stage, Trunk, trunk_named
from .convolutional import Convolutional
from .decoder import Decoder
from .dense import Dense
from .features import Features, Need
from .opened import Opened, OpenedStage
from .recurrent import Lstm, MinGru, Recurrent
from .transformer import Transformer

__all__ = [
    "TRUNKS",
    "Convolutional",
    "Custom",
    "Decoder",
    "Dense",
    "Features",
    "Inside",
    "Lstm",
    "MinGru",
    "Need",
    "Opened",
    "OpenedStage",
    "Recurrent",
    "Stage",
    "Transformer",
    "Trunk",
    "trunk_named",
]
