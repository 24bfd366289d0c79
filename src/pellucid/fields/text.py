"""Text: titles, reviews, messages. n examples, T tokens in one of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..storage import forms
from ..wording import count_noun
from .base import Guess, Kind, register
from .column import Column, cut_series, thin_series
from .encoded import Into, Ragged, Stored, allocate_in_memory
from .notes import LEFT_OUT, Note, Report, report_some

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# END is kept for text that is written.
PADDING, START, END = 0, 1, 2

# Tokens start behind these; none of them can be typed, so no text can forge one.
RESERVED = 3

# Of a text, unless set otherwise: attention's work grows with its square.
MOST_TOKENS = 512

# Texts, spread evenly, that a column is recognised by.
SAMPLED_TEXTS = 1_000_000

# Of training text that the tokenizer is fitted on, from examples spread evenly.
CORPUS_BYTES = 16 << 20

# Of training text for each entry of the vocabulary: a token that is seldom met is hardly learned.
BYTES_A_TOKEN = 200

# Of a tokenizer's JSON in a run, which may be a stranger's.
MOST_TOKENIZER_CHARS = 1 << 26

# Tokenized together, on all cores.
TEXTS_AT_ONCE = 4096

# Scripts without spaces: every sign counts as a word.
WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]+"


@register
class Text(Kind):
    """UTF-8 bytes; encoded to tokens of a byte-level BPE, so that no text is unknown."""

    name = "text"
    types = (("bytes", "u1"), ("ends", "i8"))
    flat = "bytes"
    axes = 1
    family = "text"
    prose = True
    dear = True
    as_target = "writing"
    try_it = '--text "…"'
    try_in_python = 'texts=["…"]'

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        own = {
            "tokenizer": forms.text(MOST_TOKENIZER_CHARS),
            "size": forms.whole(RESERVED, forms.MOST_ENTRIES),
            "longest": forms.whole(1, 1 << 16),
        }
        own |= {"role": forms.one_of(role), "cut": forms.number(0, 1)}
        return forms.all_of(forms.record(own, forms.anything), tokenizer_form)

    def recognise(self, column: Column) -> Guess | None:
        series = column.series()
        if series is None or series.dtype != pl.String:
            return None
        count = sum(int((stretch.str.strip_chars() != "").sum()) for stretch in cut_series(series))
        if not count:
            return None
        sampled = thin_series(series, SAMPLED_TEXTS)
        present = sampled.filter(sampled.str.strip_chars() != "")
        if not len(present):
            present = series.filter(series.str.strip_chars() != "")
        words = float(present.str.count_matches(WORD).mean())  # type: ignore[arg-type]
        length = float(present.str.len_chars().mean())  # type: ignore[arg-type]
        reason = f"{count:,} texts of {words:.0f} word{'' if round(words) == 1 else 's'} on average"
        return Guess(_text_confidence(present, words, length), reason)

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"bytes": (total,) uint8, "ends": (n,) int64}``; a missing text is an empty one."""
        text = column.as_type(pl.String).fill_null("")
        arrays = store_utf8(text, into)
        if empty := int((text.str.strip_chars() == "").sum()) - len(column.faults):
            report(Note("info", f"{empty:,} of {len(text):,} texts are empty", f"column '{column.name}'"))
        notes = (Note.left_out(why, column.place(row)) for row, why in column.faults.items())
        report_some(report, notes, len(column.faults), "texts can't be read and are left out", 20, LEFT_OUT)
        return Stored(arrays, {}, len(text), np.array(sorted(column.faults), np.int64))

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        try:
            for row in range(stored.n):
                text_at(stored, row)
        except UnicodeDecodeError:
            raise forms.FormError("a text is not UTF-8") from None

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """A byte-level BPE of the training texts, and after how many tokens a text is cut.

        Settings: ``vocabulary`` (entries), ``longest`` (tokens), ``lower`` (True takes capitals for small letters),
        ``ended`` (True shows where a text ends).
        """
        tokenizer, token_counts = fit_tokenizer(stored, rows, settings)
        # And the start. Of no texts at all, a length of 1 keeps the quantile defined.
        lengths = token_counts + 1 if len(token_counts) else np.ones(1, np.int64)
        longest = int(settings.get("longest") or min(MOST_TOKENS, math.ceil(np.quantile(lengths, 0.99))))
        state = {
            "role": role,
            "tokenizer": tokenizer.to_str(),
            "size": tokenizer.get_vocab_size() + RESERVED,
            "longest": longest,
            "cut": float(np.mean(lengths > longest)),
        }
        # Only where it is so, so that states of other texts stay what they were.
        return state | ({"ended": True} if settings.get("ended") else {})

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> Ragged:
        """int32 tokens: 1 (start), then at most ``longest`` - 1 of the text, so that none is empty; 0 is padding.

        Of a field whose texts show their ends 2 (the end) stands behind those that are not cut.
        """
        tokenizer, longest = load_tokenizer(state["tokenizer"]), int(state["longest"])
        texts = (text_at(stored, row) for row in range(stored.n))
        end = [END - RESERVED] if state.get("ended") else []
        return join_tokens(
            [START - RESERVED, *[*tokens, *end][: longest - 1]] for tokens in tokenize_texts(tokenizer, texts)
        )

    def decode(self, encoded: np.ndarray | Ragged, state: Mapping[str, Any]) -> list[str]:
        """Texts of (n, T) padded tokens or of a Ragged; what was cut is not there."""
        return decode_tokens(load_tokenizer(state["tokenizer"]), encoded)

    def show(self, stored: Stored, row: int) -> str:
        return text_at(stored, row)

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        text, most = text_at(stored, row), int(state["longest"]) - 1
        if not text.strip():
            return "no words: the text is empty"
        count = len(load_tokenizer(state["tokenizer"]).encode(text).ids)
        if count <= most:
            return ""
        words, _ = self.words(stored, row, state)
        last = f", up to the word '{words[-1][:40]}'" if words else ""
        return f"the first {most:,} of its {count_noun(count, 'token')}{last}; the rest is cut"

    def words(self, stored: Stored, row: int, state: Mapping[str, Any]) -> tuple[list[str], np.ndarray]:
        """The words that the network reads: those behind its last token are cut."""
        text = text_at(stored, row)
        words = pl.Series([text]).str.extract_all(WORD).explode().drop_nulls().to_list()
        of = np.full(len(text) + 1, -1)
        at = 0
        for i, word in enumerate(words):
            start = text.index(word, at)
            # A space belongs to the word behind it, as in the tokens.
            of[at : start + len(word)] = i
            at = start + len(word)
        encoding = load_tokenizer(state["tokenizer"]).encode(text)
        most = int(state["longest"]) - 1
        ends = [max(end - 1, 0) for _, end in encoding.offsets[:most]]
        last = [-1] if state.get("ended") and len(encoding) < most else []
        found = np.array([-1, *of[ends], *last], np.int64)
        return words[: int(found.max(initial=-1)) + 1], found


def store_utf8(text: pl.Series, into: Into) -> dict[str, np.ndarray]:  # (n,)
    """``{"bytes": (total,) uint8, "ends": (n,) int64}`` of texts none of which is missing."""
    ends = into("ends", (len(text),), np.int64)
    ends[:] = text.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    raw = into("bytes", (int(ends[-1]) if len(ends) else 0,), np.uint8)
    start = 0
    for stretch in cut_series(text):
        own = "".join(stretch.to_list()).encode()
        raw[start : start + len(own)] = np.frombuffer(own, np.uint8)
        start += len(own)
    return {"bytes": raw, "ends": ends}


def fit_tokenizer(stored: Stored, rows: np.ndarray, settings: Mapping[str, Any]) -> tuple[Tokenizer, np.ndarray]:
    """A byte-level BPE of the texts in ``rows``, and how many tokens some of these texts, spread evenly, have.

    Settings: ``vocabulary`` (entries), ``lower`` (True takes capitals for small letters).
    """
    size = int(np.diff(stored.arrays["ends"], prepend=0)[rows].sum())
    rows = np.asarray(rows)[:: max(1, math.ceil(size / CORPUS_BYTES))]
    corpus = [text_at(stored, row) for row in rows]
    vocabulary = int(settings.get("vocabulary") or vocabulary_for(size)) - RESERVED
    tokenizer = _train_tokenizer(corpus, max(256, vocabulary), bool(settings.get("lower", False)))
    return tokenizer, np.array([len(tokens) for tokens in tokenize_texts(tokenizer, corpus)], np.int64)


def join_tokens(texts: Iterable[Sequence[int]]) -> Ragged:
    """Tokens as a tokenizer counts them, shifted behind the reserved ones, of many texts in one array."""
    values = [np.array(tokens, np.int32) for tokens in texts]
    # Shifted all at once: one addition over the corpus instead of one a text.
    flat = np.concatenate(values) + np.int32(RESERVED) if values else np.zeros(0, np.int32)
    return Ragged(flat, np.cumsum([len(one) for one in values], dtype=np.int64))


def decode_tokens(tokenizer: Tokenizer, encoded: np.ndarray | Ragged) -> list[str]:
    """The texts of (n, T) padded tokens or of a Ragged; reserved ones are passed over."""
    rows = [np.asarray(encoded[row]) for row in range(len(encoded))]
    return tokenizer.decode_batch([(row[row >= RESERVED] - RESERVED).tolist() for row in rows])


def vocabulary_for(size: int) -> int:
    """Entries for ``size`` bytes of training text: a power of two, so many that each is met often enough.

    >>> vocabulary_for(20_000), vocabulary_for(1_800_000)
    (512, 8192)
    """
    return int(min(max(2 ** round(math.log2(max(size, 1) / BYTES_A_TOKEN)), 512), 16384))


# Read anew for every text whose words are asked for, it would take longer than what is told of them.
@lru_cache(maxsize=8)
def load_tokenizer(text: str) -> Tokenizer:
    """The tokenizer of a state. Its JSON may come from a stranger's run: only its table of tokens is taken from it.

    Raises:
        PellucidError: when it is damaged or is not the byte-level BPE that ``fit`` writes.
    """
    try:
        saved = json.loads(text)
        vocabulary, merges = saved["model"].pop("vocab"), saved["model"].pop("merges")
        lower = saved["normalizer"] is not None
        if not _json_agrees(saved, json.loads(_empty_tokenizer(lower).to_str())):
            raise ValueError("it is not a byte-level BPE tokenizer")
        if type(vocabulary) is not dict or sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise ValueError("its tokens are not counted from 0")
        # Made anew from its tokens: whatever else the file holds, such as a decoder of its own, is not used.
        return _empty_tokenizer(lower, vocabulary, [tuple(pair) for pair in merges])
    # The library raises a bare Exception for whatever it can't read.
    except Exception as error:
        raise PellucidError(f"the tokenizer can't be read ({error})", fix="train again, the run is damaged") from None


def _json_agrees(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same in everything that both have; another version may write further keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_json_agrees(one[key], other[key]) for key in one.keys() & other.keys() - {"vocab", "merges"})
    return one == other


def _empty_tokenizer(
    lower: bool, vocabulary: dict[str, int] | None = None, merges: list[tuple[str, str]] | None = None
) -> Tokenizer:
    """A byte-level BPE with these tokens, or without any."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def tokenizer_form(value: Any, where: str) -> None:
    """The form of a state with a tokenizer of the size it claims."""
    try:
        tokens = load_tokenizer(value["tokenizer"]).get_vocab_size()
    except PellucidError as error:
        raise forms.FormError(f"{where}: {error.what}") from None
    if tokens + RESERVED != value["size"]:
        raise forms.FormError(f"{where}.size is {value['size']}, but its tokenizer has {tokens} tokens")


def _train_tokenizer(corpus: list[str], vocabulary: int, lower: bool) -> Tokenizer:
    from tokenizers import pre_tokenizers, trainers

    tokenizer = _empty_tokenizer(lower)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def tokenize_texts(tokenizer: Tokenizer, texts: Any) -> Iterator[list[int]]:
    """Tokens of each text, many at a time on all cores."""
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == TEXTS_AT_ONCE:
            yield from (encoding.ids for encoding in tokenizer.encode_batch_fast(batch))
            batch = []
    yield from (encoding.ids for encoding in tokenizer.encode_batch_fast(batch))


def text_at(stored: Stored, row: int) -> str:
    """One stored text."""
    return Ragged(stored.arrays["bytes"], stored.arrays["ends"])[row].tobytes().decode()


def _text_confidence(present: pl.Series, words: float, length: float) -> float:
    """Long, many-worded and mostly different values are text; few that repeat are categories."""
    distinct = present.n_unique()
    if distinct <= 50 and len(present) >= 2 * distinct:
        return 0.3
    share = distinct / len(present)
    if words >= 3:
        return 0.85 if share >= 0.5 else 0.6 if share < 0.2 and words < 6 else 0.75
    uneven = float(np.std(present.str.len_chars().to_numpy())) > 0.02 * length
    if length >= 32 and uneven:
        return 0.5
    return 0.42 if words >= 1.5 else 0.2
