"""A text that is written, token after token: translations, answers, numbers in words.

B batch, T tokens of the longest text, L of the longest that may be written, V vocabulary, D width, M positions that are
read, K beams.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.batches.batch import Batch, Padded, cut_batch, cut_rows
from ..decoding.beam import BeamSearch
from ..decoding.hypothesis import NOTHING, Hypothesis, not_finite_error
from ..fields import Field
from ..fields.passage import unknown_tokens
from ..fields.text import END, PADDING, RESERVED, START
from ..options import MOST_BEAMS
from ..storage.forms import Form, whole
from ..tasks.written import READ, SUMS, Layout, WrittenTask
from ..trunks import Features, Need
from .base import Output, register

# What trunks have recipes for: texts that are right or wrong, and such that are more or less near.
SPELLING, TRANSLATION = "spelling", "translation"

# Of the likelihoods that training aims at, that all other tokens share (Szegedy et al., 2016).
SMOOTHING = 0.1

# Texts that are followed side by side: beams of all examples.
MOST_TEXTS = 512

# Numbers in the raw answers to the texts of a batch that are read along at once: 64 MB.
MOST_LOGITS = 1 << 24

# Positions before it that each token depends on at the least, where texts are so long.
MOST_SEEN = 256

# What the decoder's look at its memory is called (``trunks.glossary``).
LOOK = "memory_attention"

# What would otherwise never end, or say nothing.
NEVER = (PADDING, START)


@dataclass(frozen=True)
class Writing:
    """How texts are written.

    Attributes:
        beams: texts that are followed of each example; with 1 always the likeliest token is taken.
        best: how many of them are given. penalty: as of ``BeamSearch``.
        read: M, positions that each token is aligned with, of the first input; 0 for no alignment.
        longest: tokens of a text at most; 0 for as many as training's longest calls for.
    """

    beams: int = 1
    best: int = 1
    penalty: float = 0.6
    read: int = 0
    longest: int = 0


@register
class Written(Output):
    """What comes next at every place of a text, after what is read and the tokens before it (Sutskever et al., 2014).

    In training the true tokens stand before each (teacher forcing); a text is written from its own. The vectors of
    tokens are the rows of the output's own map where both are as wide (Press and Wolf, 2017).

    Target: (B, T) tokens with the end behind them, 0 where there is none. Raw answers are (B, T, V) logits; of them
    only sums are kept, ``tasks.written``: one row of R numbers an example.

    Settings:
        smoothing: of the loss in training alone. beams: as of ``Writing``, unless another number is asked for.
    """

    name = "written"
    task_type = WrittenTask
    writes = True
    decodes = True
    settings: ClassVar[Mapping[str, Any]] = {"smoothing": SMOOTHING, "beams": 1}
    bounds: ClassVar[Mapping[str, Form]] = {"beams": whole(1, MOST_BEAMS)}

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        state = fields[0].state or {}
        self.vocabulary, self.longest = int(state["size"]), int(state["longest"])
        self.how: Writing | None = None
        # Whether several texts are followed: one that is nearly right is worth something.
        self.searches = not self.task.exact
        self.never = [*NEVER, *unknown_tokens(state)]

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        if target.kind != cls.task_type.kind or any(f.traits.recorded for f in inputs):
            return None
        return f"'{target.name}' is a text that is written"

    @classmethod
    def suggest_network(cls) -> tuple[str, str]:
        # After half an epoch of Multi30k it is at BLEU 16, the transformer, which takes longer, at 9 (docs/LOG.md,
        # 2026-11-28).
        return "recurrent", "a text is written: its decoder attends to all that is read"

    @classmethod
    def family_of(cls, target: Field) -> str:
        return SPELLING if target.settings.get("exact") else TRANSLATION

    def need(self) -> Need:
        return Need(every=True)

    @property
    def decoded_positions(self) -> int:
        return min(self.longest, MOST_SEEN)

    def build(self, width: int) -> Written:
        self.layer = nn.Linear(width, self.vocabulary)
        nn.init.normal_(self.layer.weight, std=width**-0.5)
        nn.init.zeros_(self.layer.bias)
        return self

    def build_entry(self, width: int) -> None:
        """Make the vectors of tokens that the decoder reads, of this ``width``."""
        own = None if width == self.layer.in_features else nn.Parameter(torch.randn(self.vocabulary, width) * 0.1)
        self.register_parameter("table", own)

    # -- what the decoder reads

    def entry(self, tokens: Tensor) -> Tensor:  # (...) -> (..., D)
        """The vectors of tokens."""
        table = self.layer.weight if self.table is None else self.table
        return F.embedding(tokens.long(), cast(Tensor, table))

    @torch.no_grad()
    def complete(self, network: Any, batch: Batch) -> Batch:
        if batch.target is not None:
            return batch
        texts = [own[0] for own in self.search(network, batch, self.usual, strict=False)]
        lengths = torch.tensor([len(one.tokens) + 1 for one in texts], device=network.device)
        tokens = torch.zeros(len(texts), int(lengths.max()), dtype=torch.int64, device=network.device)
        for row, one in zip(tokens, texts, strict=True):
            row[: len(one.tokens) + 1] = torch.tensor([*one.tokens, END])
        return replace(batch, target=Padded(tokens, lengths))

    def shifted(self, batch: Batch) -> Features:  # -> (B, T, D)
        """The token before each place of the true texts: the first is START."""
        true = cast(Padded, batch.target)
        before = torch.cat([torch.full_like(true.values[:, :1], START), true.values[:, :-1]], 1)
        # What stands behind an end is padding, which none of the tokens before it sees.
        return Features(self.entry(before), None, batch.key)

    # -- losses

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, T, D) -> (B, T, V), in training (N, V)
        if not self.training:
            return self.layer(f.x)
        # Of the N tokens that there are alone: the map to the vocabulary is most of the work.
        return self.layer(f.x[cast(Padded, batch.target).values != PADDING])

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # -> (B,)
        """Cross-entropy summed over an example's tokens, smoothed in training; of what was kept, that sum.

        Args:
            raw: (B, T, V), (N, V) of the N tokens that there are, or kept, (B, R).
        """
        if not isinstance(batch.target, Padded):
            return raw[:, 0]
        if raw.ndim == 3:
            return self.token_losses(raw, batch).sum(1)
        true = batch.target.values.long()
        real = true != PADDING
        smoothing = float(self.chosen["smoothing"])
        losses = F.cross_entropy(raw.float(), true[real], reduction="none", label_smoothing=smoothing)  # (N,)
        return torch.zeros_like(true, dtype=losses.dtype).masked_scatter(real, losses).sum(1)

    def token_losses(self, raw: Tensor, batch: Batch) -> Tensor:  # (B, T, V) -> (B, T)
        """The cross-entropy of each token, 0 where there is none."""
        true = cast(Padded, batch.target).values.long()
        return F.cross_entropy(raw.float().flatten(0, 1), true.flatten(), ignore_index=PADDING, reduction="none").view(
            true.shape
        )

    def keep(self, raw: Tensor, batch: Batch) -> Tensor:  # (B, T, V) -> (B, SUMS)
        """The sum of losses and the tokens right; what comes of texts is not known while none is written."""
        found = raw.new_full((len(raw), SUMS), torch.nan)
        true = cast(Padded, batch.target).values
        found[:, 0] = self.token_losses(raw, batch).sum(1)
        found[:, 1] = ((raw.argmax(2) == true) & (true != PADDING)).sum(1)
        return found

    def counts(self, batch: Batch) -> Tensor:  # -> (B,)
        """The tokens of each example; of what was kept, (n, 1), their number as it stands there."""
        target: Any = batch.target
        return (target.values != PADDING).sum(1) if isinstance(target, Padded) else target[:, 0]

    # -- writing

    @property
    def usual(self) -> Writing:
        """How texts are written unless it is said."""
        return Writing(beams=int(self.chosen["beams"]))

    @contextmanager
    def writing(self, how: Writing | None) -> Iterator[None]:
        """A context in which final answers are written so."""
        before, self.how = self.how, how
        try:
            yield
        finally:
            self.how = before

    @property
    def own_task(self) -> WrittenTask:
        """Its task, typed."""
        return cast(WrittenTask, self._task)

    def task_of(self, how: Writing, source: Field | None = None) -> WrittenTask:
        """The task that reads answers which were written so. ``source``: the text that is read, for an alignment."""
        return self.own_task.with_writing(how.best, source, how.read)

    @torch.inference_mode()
    def final_answers(self, network: Any, batch: Batch) -> Tensor:  # -> (B, R)
        """What is kept of the texts that the network writes; their sums and losses where the true ones are known.

        Raises:
            PellucidError: for a network whose numbers are not finite, where no true texts are known. Else they are
                scored, as nothing written: a training that diverged ends with an honest score.
        """
        how = self.how or self.usual
        task = self.task_of(how)
        found = np.full((len(batch.rows), task.layout.width), np.nan)
        if batch.target is not None:
            found[:, :READ] = self.read_along(network, batch).cpu().numpy()
        texts = self.search(network, batch, how, strict=batch.target is None)
        found[:, SUMS:] = 0.0
        for row, own in zip(found, texts, strict=True):
            # Where there are fewer texts than were asked for, the others are not sure.
            for which, one in enumerate([*own, *[NOTHING] * (how.best - len(own))]):
                task.layout.put_text(row, which, one)
        if batch.target is not None:
            true = cast(Padded, batch.target).values.cpu().numpy()
            found[:, READ:SUMS] = task.sums_of_texts(task.written_texts(found), task.texts_of(true))
        if how.read:
            self.put_alignment(found, network, batch, task.layout)
        return torch.from_numpy(found.astype(np.float32))

    def write_texts(self, network: Any, batch: Batch, **how: Any) -> list[str]:
        """The texts that the network writes, one an example.

        Args:
            how: attributes of ``Writing``.
        """
        texts = self.search(network, network.to_tensors(batch), replace(self.usual, **how))
        tokens = np.zeros((len(texts), max(len(own[0].tokens) for own in texts)), np.int64)
        for row, own in zip(tokens, texts, strict=True):
            row[: len(own[0].tokens)] = own[0].tokens
        return self.own_task.texts_of(tokens)

    @torch.inference_mode()
    def search(self, network: Any, batch: Batch, how: Writing, *, strict: bool = True) -> list[list[Hypothesis]]:
        """The best texts of each example, the best first; what is written does not depend on the other examples.

        Raises:
            PellucidError: for a network whose numbers are not finite; where ``strict`` is False ``NOTHING`` is found.
        """
        memory = network.memory(batch)
        most = max(MOST_TEXTS // max(how.beams, how.best), 1)
        found: list[list[Hypothesis]] = []
        for start in range(0, len(memory.x), most):
            part = Features(memory.x[start : start + most], cut_rows(memory.mask, slice(start, start + most)))
            found += self._search_part(network.decoder, part, how, strict=strict)
        return found

    def _search_part(
        self, decoder: Any, memory: Features, how: Writing, *, always: bool = False, strict: bool = True
    ) -> list[list[Hypothesis]]:
        """The best texts of some examples; ``always``: by the search, also where it would follow one alone."""
        longest = min(how.longest or self.longest, self.longest)
        if how.beams == how.best == 1 and not always:
            texts = self._write_likeliest(decoder, memory, longest)
            if strict and NOTHING in texts:
                raise not_finite_error()
            return [[one] for one in texts]

        def step(last: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
            logits, state = self._next_logits(decoder, torch.from_numpy(last).to(memory.x.device), state)
            return logits.log_softmax(1).cpu().numpy(), state

        def select(state: Any, rows: np.ndarray) -> Any:
            return decoder.take(state, torch.from_numpy(rows).to(memory.x.device))

        search: BeamSearch[Any] = BeamSearch(step, select, END, longest, max(how.beams, how.best), how.penalty)
        return search.search(decoder.start(memory), np.full(len(memory.x), START), how.best, strict=strict)

    def _next_logits(self, decoder: Any, last: Tensor, state: Any) -> tuple[Tensor, Any]:  # (R,) -> (R, V)
        """What may come after one more token of each text; what can't be written has no chance."""
        y, state = decoder.step(self.entry(last), state)
        # Of 8 bits many tokens would be equally likely.
        with torch.autocast(y.device.type, enabled=False):
            logits = self.layer(y.float())
        logits[:, self.never] = -torch.inf
        return logits, state

    def _write_likeliest(self, decoder: Any, memory: Features, longest: int) -> list[Hypothesis]:
        """The texts of the likeliest token each time; those that have come to their end are followed no more.

        ``NOTHING`` where numbers are not finite.
        """
        count, device = len(memory.x), memory.x.device
        tokens = torch.zeros(count, longest, dtype=torch.int64, device=device)
        log_prob = torch.zeros(count, dtype=torch.float64, device=device)
        lengths = torch.full((count,), longest, device=device)
        going, last = torch.arange(count, device=device), torch.full((count,), START, device=device)
        state, ended = decoder.start(memory), torch.zeros(count, dtype=torch.bool, device=device)
        for place in range(longest):
            logits, state = self._next_logits(decoder, last, state)
            best, last = logits.max(1)
            log_prob[going] += (best - logits.logsumexp(1)).double()
            done = last == END
            lengths[going[done]], ended[going[done]] = place, True
            tokens[going, place] = last.masked_fill(done, PADDING)
            if done.any():
                left = torch.nonzero(~done)[:, 0]
                if not len(left):
                    break
                going, last, state = going[left], last[left], decoder.take(state, left)
        rows = zip(tokens.tolist(), lengths.tolist(), log_prob.tolist(), ended.tolist(), strict=True)
        return [
            Hypothesis(tuple(row[:length]), own, own, over) if math.isfinite(own) else NOTHING
            for row, length, own, over in rows
        ]

    def put_alignment(self, found: np.ndarray, network: Any, batch: Batch, layout: Layout) -> None:  # (B, R)
        """Write into raw answers which token that was read each token of the first text looks at most, and these.

        By the mean over heads of the decoder's look at its memory; start and end are passed over.
        """
        read = cast(Padded, batch.inputs[network.input_keys()[0]]).values  # (B, S)
        weights = self.alignment(network, batch, layout.text(found)[1])  # (B, T, S)
        weights = weights.masked_fill((read <= END).unsqueeze(1), -1.0)
        start, several = layout.width - layout.longest - layout.read, weights.shape[1] - 1
        found[:, start : start + layout.longest] = -1
        found[:, start : start + several] = weights[:, :several].argmax(2).cpu().numpy()
        found[:, start + layout.longest : start + layout.longest + read.shape[1]] = read.cpu().numpy()

    def alignment(self, network: Any, batch: Batch, tokens: np.ndarray) -> Tensor:  # (B, L) -> (B, T, S)
        """What share of its look each token of texts, the end behind them, gives to each position that was read."""
        lengths = torch.from_numpy((tokens >= RESERVED).sum(1)).to(network.device)
        texts = torch.from_numpy(tokens[:, : int(lengths.max()) + 1]).to(network.device)
        texts = F.pad(texts, (0, max(int(lengths.max()) + 1 - texts.shape[1], 0)))
        texts = texts.scatter(1, lengths.unsqueeze(1), END)
        written = replace(batch, target=Padded(texts, lengths + 1))
        _, inside = network.decoder.open(self.shifted(written), network.memory(batch))
        return next(one for one in inside.values() if LOOK in one)[LOOK].mean(1)

    def read_along(self, network: Any, batch: Batch) -> Tensor:  # -> (B, READ)
        """Sums of losses and tokens right of the true texts, a few examples at a time."""
        true = cast(Padded, batch.target)
        size = max(MOST_LOGITS // (true.values.shape[1] * self.vocabulary), 1)
        parts = [cut_batch(batch, slice(start, start + size)) for start in range(0, len(true.values), size)]
        return torch.cat([self.keep(network(part).float(), part)[:, :READ] for part in parts])
