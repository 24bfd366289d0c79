"""Windows of documents against a plain loop over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pellucid.data.documents.windows import document_starts
from pellucid.fields.encoded import Passages
from pellucid.training.arrays import PassageRows

CPU = torch.device("cpu")

# Three documents: passages of 4, 4, 2, then 5, then 3 and 4 tokens.
LENGTHS, DOCUMENTS = [4, 4, 2, 5, 3, 4], np.array([0, 0, 0, 1, 2, 2])


def make_passages(span: int = 4) -> Passages:
    ends = np.cumsum(LENGTHS).astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    sizes = np.stack([LENGTHS, LENGTHS], 1).astype(np.float32)
    values = (10 + np.arange(ends[-1])).astype(np.int32)
    return Passages(values, ends, document_starts(starts, DOCUMENTS), sizes, span, 100)


def test_a_document_begins_where_its_first_passage_does() -> None:
    assert make_passages().low.tolist() == [0, 0, 0, 10, 15, 15]


def test_without_a_key_a_passage_is_itself_and_what_stands_before_it() -> None:
    passages = make_passages()
    after, before = PassageRows(passages, CPU), PassageRows(passages, CPU, before=True)
    rows = torch.arange(6)
    true, read = after.gather(rows), before.gather(rows)
    assert true.lengths.tolist() == LENGTHS == read.lengths.tolist()
    for i, (start, size) in enumerate(zip(passages.starts.tolist(), LENGTHS, strict=True)):
        own = passages.values[start : start + size].tolist()
        first = 1 if start == passages.low[i] else int(passages.values[start - 1])
        assert true.values[i].tolist() == [*own, *[0] * (5 - size)]
        assert read.values[i].tolist() == [first, *own[:-1], *[0] * (5 - size)]


def test_windows_lie_in_what_is_learned_from_and_reach_all_of_it() -> None:
    passages = make_passages()
    # Of the first document the middle passage is not learned from, so the third has no room before it.
    learned = np.array([0, 2, 3, 4, 5])
    after, before = PassageRows(passages, CPU), PassageRows(passages, CPU, before=True)
    for array in (after, before):
        array.learn_from(learned)
    assert after.room.tolist() == [0, 0, 0, 0, 0, 3]
    seen: dict[int, set[tuple[int, ...]]] = {row: set() for row in learned.tolist()}
    for key in range(40):
        keys = torch.full((5,), key)
        true, read = (array.gather(torch.from_numpy(learned), keys) for array in (after, before))
        for i, row in enumerate(learned.tolist()):
            window = true.values[i, : true.lengths[i]].tolist()
            seen[row].add(tuple(window))
            # What was read is the same window, one token earlier.
            assert read.values[i, 1 : true.lengths[i]].tolist() == window[:-1]
            start = window[0] - 10
            assert read.values[i, 0] == (1 if start == passages.low[row] else window[0] - 1)
    allowed = {10 + i for row in learned for i in range(passages.starts[row], passages.ends[row])}
    assert {token for windows in seen.values() for one in windows for token in one} == allowed
    # Of five tokens a window of four begins at either place; of the last passage up to three tokens earlier.
    assert len(seen[3]) == 2
    assert len(seen[5]) == 4


def test_what_is_read_before_a_passage_is_not_answered() -> None:
    passages = make_passages()
    after, before = PassageRows(passages, CPU), PassageRows(passages, CPU, before=True)
    after.lead = before.lead = 3
    rows = torch.tensor([1, 3])
    true, read = after.gather(rows), before.gather(rows)
    assert true.values.tolist() == [[0, 0, 0, 14, 15, 16, 17], [20, 21, 22, 23, 24, 0, 0]]
    assert read.values.tolist() == [[10, 11, 12, 13, 14, 15, 16], [1, 20, 21, 22, 23, 0, 0]]


@pytest.mark.parametrize("rows", [[0], [5, 1]])
def test_what_is_kept_of_a_target_is_its_sizes(rows: list[int]) -> None:
    array = PassageRows(make_passages(), CPU)
    assert array.kept(torch.tensor(rows))[:, 0].tolist() == [LENGTHS[row] for row in rows]
