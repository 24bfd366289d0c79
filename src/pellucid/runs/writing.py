"""Writes on from a prompt: one token after the other, each a function of the seed, the example and its place.

B texts side by side, V vocabulary.
"""

from __future__ import annotations
