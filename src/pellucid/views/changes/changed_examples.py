"""Changes to one example: a column set, a word or a column left out, a photo moved or partly covered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ...data.batches.batch import Batch, Padded
from ...errors import PellucidError, UsageError, unknown_name
from ...fields import Field, Ragged
from ...fields.typed_value import encode_typed
from ...inputs import Input
from ..base import Subject

# Into so many rows and columns a photo is cut to be covered.
GRID = 8


@dataclass
class Changed:
    """An example that is changed step by step.

    Attributes:
        subject: whose example. batch: as it is by now. done: what was changed, in words. odd: what is strange about
            it. texts: what text columns say by now.
    """

    subject: Subject
    batch: Batch
    done: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: Subject) -> Changed:
        assert subject.example is not None
        # What the solved part said was of the example as it was.
        return cls(subject, replace(subject.example, solved=None))

    def fields(self) -> dict[str, Field]:
        return {own.name: own for layer in self.subject.network.layers for own in layer.fields}

    def layer_of(self, name: str) -> tuple[Input, str]:
        """The input layer that reads a column, and its key in a batch."""
        network = self.subject.network
        for layer, key in zip(network.layers, network.input_keys(), strict=True):
            if any(own.name == name for own in layer.fields):
                return layer, key
        raise UsageError(unknown_name("column", name, self.fields()))

    def picture_layer(self, what: str) -> tuple[Input, str]:
        network = self.subject.network
        for layer, key in zip(network.layers, network.input_keys(), strict=True):
            if layer.fields[0].traits.pictures:
                return layer, key
        raise PellucidError(f"there is no photo to {what}: the network reads {self._read()}")

    def _read(self) -> str:
        return ", ".join(sorted({own.traits.noun for own in self.fields().values()}))

    # -- what can be done

    def set_value(self, name: str, text: str | None) -> None:
        """Another value for a column, as its kind reads a cell; None for a missing one.

        Raises:
            UsageError: for a column, or a word in it, that is not there.
        """
        layer, key = self.layer_of(name)
        encoded, odd = encode_typed(self.fields()[name], text)
        self.odd += [odd] if odd else []
        self._put(layer, key, name, encoded)
        if self.fields()[name].traits.prose:
            self.texts[name] = text or ""

    def _put(self, layer: Input, key: str, name: str, encoded: Any) -> None:
        if isinstance(encoded, Ragged):
            values = torch.from_numpy(np.array(encoded[0]))[None]
            self._replace(key, Padded(values, torch.tensor([values.shape[1]])))
            return
        own = torch.from_numpy(np.asarray(encoded).reshape(1, -1).copy())
        if len(layer.fields) == 1 and not layer.fields[0].traits.joint:
            self._replace(key, torch.from_numpy(np.array(encoded)))
            return
        place = [one.name for one in layer.fields].index(name)
        start = sum(layer.sizes[:place])
        value = torch.as_tensor(self.batch.inputs[key]).clone()
        value[:, start : start + layer.sizes[place]] = own.to(value.dtype)
        self._replace(key, value)

    def _replace(self, key: str, value: Any) -> None:
        self.batch = replace(self.batch, inputs={**self.batch.inputs, key: value})

    def mask(self, what: str) -> None:
        """Cover a patch of the photo ("row,column" of an 8 × 8 grid), or leave out a column or a word."""
        fields = self.fields()
        if what in fields:
            self._mask_column(fields[what])
        elif re.fullmatch(r"\s*\d+\s*,\s*\d+\s*", what) and not self._has_word(what):
            self._cover(what)
        else:
            self._mask_word(what)

    def _mask_column(self, one: Field) -> None:
        if one.traits.pictures:
            layer, key = self.layer_of(one.name)
            self._replace(key, layer.cover_value(self.batch.inputs[key], slice(None), slice(None)))
        else:
            self.set_value(one.name, None)
        self.done.append(f"'{one.name}' left out")

    def _cover(self, what: str) -> None:
        layer, key = self.picture_layer("cover")
        row, column = (int(part) for part in what.split(","))
        if not (1 <= row <= GRID and 1 <= column <= GRID):
            raise UsageError(f"there is no patch {what}", fix=f"choose row,column from 1,1 to {GRID},{GRID}")
        value = torch.as_tensor(self.batch.inputs[key])
        height, width = value.shape[1:3]
        self._replace(key, layer.cover_value(value, _cut(row, height), _cut(column, width)))
        self.done.append(f"the patch in row {row}, column {column} covered")

    def _text_of(self, one: Field) -> str:
        if one.name not in self.texts:
            data, batch = self.subject.data, self.subject.example
            assert batch is not None
            if data is None:
                raise PellucidError("the words of this example are not known", fix="give it as a text or a file")
            self.texts[one.name] = str(one.traits.show(data.stored_values(one.name), int(batch.rows[0])))
        return self.texts[one.name]

    def _proses(self) -> list[Field]:
        return [one for one in self.fields().values() if one.traits.prose]

    def _has_word(self, word: str) -> bool:
        return any(_word_form(word).search(self._text_of(one)) for one in self._proses())

    def _mask_word(self, word: str) -> None:
        found = False
        for one in self._proses():
            text, count = _word_form(word).subn(" ", self._text_of(one))
            if count:
                found = True
                self.set_value(one.name, re.sub(r"  +", " ", text).strip())
        if not found:
            words = [own for one in self._proses() for own in re.findall(r"\w+", self._text_of(one))]
            known = list(dict.fromkeys([*words, *self.fields()]))
            raise UsageError(unknown_name("word or column", word, known))
        self.done.append(f"the word '{word}' left out")

    def move(self, by: str) -> None:
        """Move the photo by "right,down" pixels; what comes in over an edge is the picture reflected there."""
        layer, key = self.picture_layer("move")
        if not re.fullmatch(r"\s*[+-]?\d+\s*,\s*[+-]?\d+\s*", by):
            raise UsageError(f"'{by[:40]}' says no move", fix="say pixels to the right and down: 4,0")
        right, down = (int(part) for part in by.split(","))
        value = torch.as_tensor(self.batch.inputs[key])
        height, width = value.shape[1:3]
        if abs(right) >= width or abs(down) >= height:
            raise UsageError(f"the photo is {width} × {height} pixels, so it can't be moved by {right},{down}")
        self._replace(key, layer.move_value(value, right, down))
        self.done.append(f"the photo moved by {right},{down}")


def _cut(place: int, size: int) -> slice:
    """The pixels of one of ``GRID`` stretches of a side, counted from 1; at least one."""
    start = min((place - 1) * size // GRID, size - 1)
    return slice(start, max(start + 1, place * size // GRID))


def _word_form(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word.strip())}(?!\w)", re.IGNORECASE)


def split_value(text: str, columns: Sequence[str]) -> tuple[str, str]:
    """A column, or a weight, and the value that is set: ``area=90``. The names of columns may hold a "=".

    Raises:
        UsageError: where there is no "=".
    """
    for name in sorted(columns, key=len, reverse=True):
        if text.startswith(f"{name}="):
            return name, text[len(name) + 1 :]
    name, equal, value = text.partition("=")
    if not equal:
        raise UsageError(f"'{text[:60]}' sets nothing", fix="say what to set: area=90")
    return name.strip(), value.strip()
