"""What a view returns: arrays, a sentence, where the method comes from, what it cost, and whether it is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..draw.markup import Markup, tag
from ..draw.notebook import view_table
from ..errors import PellucidError, UsageError
from ..storage import to_json
from ..wording import number_text
from .blocks import Block

Level = Literal["exact", "checked", "suggestive", "failed"]

# What a badge says, in a sentence of its own where a page explains them.
LEVELS: Mapping[str, str] = {
    "exact": "exact: follows from the network's own numbers",
    "checked": "checked: passed its test on this network",
    "suggestive": "suggestive: not checked on this network",
    "failed": "failed: did not pass its test on this network, so don't rely on it",
}


@dataclass(frozen=True)
class Badge:
    """Whether what is shown is true of this network.

    Attributes:
        level: ``"exact"`` (forward values, gradients), ``"checked"`` (passed its test on this network),
            ``"suggestive"`` (not checked), ``"failed"``. reason: what was tested, in a sentence. figures: by name.
    """

    level: Level
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"level": self.level, "reason": self.reason, "figures": dict(self.figures)}


@dataclass(frozen=True)
class Result:
    """What one view found.

    Attributes:
        view: its word. title: for people. sentence: what is seen, in one or two plain sentences. badge: whether it is
            true. blocks: what is drawn and listed, in order. arrays: the numbers, by name. method: how it was found;
            paper: its source, "" where there is none. seconds: what it took. caption: how to read it.
    """

    view: str
    title: str
    sentence: str
    badge: Badge
    blocks: Sequence[Block] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    method: str = ""
    paper: str = ""
    caption: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON: arrays as nested lists, NaN as null."""
        return {
            "view": self.view,
            "title": self.title,
            "sentence": self.sentence,
            "badge": self.badge.to_json(),
            "method": self.method,
            "paper": self.paper,
            "caption": self.caption,
            "seconds": round(self.seconds, 4),
            "blocks": [block.to_json() for block in self.blocks],
            "arrays": {name: array_json(value) for name, value in self.arrays.items()},
        }

    def html(self) -> Markup:
        """A fragment of a page: heading, sentence, badge, drawings with the table behind each, source."""
        about = " ".join(filter(None, [self.method, self.paper and f"({self.paper})"]))
        return tag(
            "article",
            tag("h3", self.title, badge_mark(self.badge)),
            tag("p", self.sentence, class_="said"),
            tag("p", self.caption, class_="quiet") if self.caption else None,
            [block.html() for block in self.blocks],
            tag("p", f"{self.badge.reason} {about}".strip(), class_="quiet small"),
            figures_table(self.badge),
            class_="view",
        )

    def _repr_html_(self) -> str:
        from ..draw.notebook import notebook_view

        return notebook_view(self.html())

    def __str__(self) -> str:
        return f"{self.title}: {self.sentence} [{self.badge.level}]"

    def save(self, path: str | Path) -> Path:
        """Write it as what the name ends in: ``.html``, ``.json``, ``.svg`` or ``.png``; its path.

        Raises:
            UsageError: for another ending, or a picture of a result that draws nothing. PellucidError: when the file
                can't be written.
        """
        from ..draw.page import standalone_page
        from .pictures import picture_bytes

        path = Path(path)
        if path.suffix == ".json":
            content = to_json(self.to_json()).encode()
        elif path.suffix == ".html":
            content = standalone_page(self.title, self.html()).encode()
        elif path.suffix in (".svg", ".png"):
            content = picture_bytes(self, path.suffix)
        else:
            raise UsageError(
                f"a view can't be written as '{path.suffix or path.name}'", fix="choose .html, .json, .svg or .png"
            )
        try:
            path.write_bytes(content)
        except OSError as error:
            raise PellucidError(f"it can't be written: {error.strerror}", where=str(path)) from error
        return path


def figures_table(badge: Badge) -> Markup | None:
    """The figures of a badge's test, folded away; None where there are none."""
    if not badge.figures:
        return None
    rows = [[name.replace("_", " "), number_text(value, 3)] for name, value in badge.figures.items()]
    listed = view_table(["", "figure"], rows, ["", "n"])
    return tag("details", tag("summary", "figures of the test"), tag("div", listed, class_="scroll"), class_="numbers")


def badge_mark(badge: Badge) -> Markup:
    """The badge as a small label; its reason is what a pointer over it says."""
    return tag("span", badge.level, class_=f"badge {badge.level}", title=f"{LEVELS[badge.level]}. {badge.reason}")


def array_json(value: np.ndarray) -> Any:
    """An array as nested lists, with null for what is not finite."""
    if value.dtype.kind != "f":
        return value.tolist()
    found = value.astype(object)
    found[~np.isfinite(value)] = None
    return found.tolist()
