"""One exception for everything a user can mend: what is wrong, where, and what to do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

# What moves a terminal's cursor, colours it, turns text around, or is no character at all; line ends and tabs aside.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# What libraries say when memory is used up: torch and the loader; oneDNN, whose sentence ends there. A "primitive
# descriptor" that could not be created is a form of layer that it does not have. Seen in 1,245 passes under limits on
# address space (docs/LOG.md, 2026-11-22): it says nothing more.
_LACKING = re.compile(
    "can('|no)t allocate memory|out of memory|bad_alloc|unable to allocate|failed to map segment"
    "|could not (create|execute) a (primitive|memory object)$",
    re.IGNORECASE | re.MULTILINE,
)


# Characters of a name that is not known, and of a list of those that are, on one line.
LONGEST_NAME, LONGEST_LIST = 60, 60


def visible_text(text: str) -> str:
    r"""Text from a file, safe to print: characters that would steer a terminal are written as escapes.

    >>> visible_text("red\x1b[31m")
    'red\\u001b[31m'
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shell_quote(word: object) -> str:
    """A path or a word in a command as a shell reads it back.

    >>> shell_quote("runs/my run")
    "'runs/my run'"
    """
    return shlex.quote(str(word))


def no_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up; torch and the loader say it in words, Python by a type."""
    return isinstance(error, MemoryError | OutOfMemory) or (
        isinstance(error, RuntimeError | ImportError) and _LACKING.search(str(error)) is not None
    )


@contextmanager
def enough_memory(what: str, fix: str) -> Iterator[None]:
    """Turn running out of memory inside the block into ``OutOfMemory``, which says that it does not hold ``what``."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not no_memory(error):
            raise
        raise OutOfMemory(f"the memory of this machine does not hold {what}", fix=fix) from None


class PellucidError(Exception):
    """Something the user can mend.

    Args:
        what: what is wrong, with the value that was received and what was expected.
        where: the file, row, column or layer, e.g. ``"prices.csv, line 12, column 'carat'"``.
        fix: what to do about it, in the imperative.
    """

    __module__ = "pellucid"

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None):
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self) -> str:
        # A file's name may hold a line end, and would then write a line of its own into the message.
        where = self.where.replace("\n", "\\n") if self.where else ""
        text = f"{where}: {self.what}" if where else self.what
        return visible_text(f"{text}\n  {self.fix}" if self.fix else text)


class UsageError(PellucidError):
    """An option or a name that does not exist: exit code 2 on the command line."""


class OutOfMemory(PellucidError):
    """What was asked for is more than memory holds, in however small pieces."""


class Interrupted(PellucidError):
    """Work was stopped from outside, and what was done before is kept."""


def near_names(word: str, known: Iterable[str]) -> list[str]:
    """Up to three names that ``word`` was probably meant to be, the nearest first."""
    known = list(known)
    # Capitals count as other letters there, so "MLP" for "mlp" is looked for by itself.
    return [k for k in known if k.lower() == word.lower()] or get_close_matches(word, known, n=3, cutoff=0.6)


def missing_name(what: str, word: str, known: Iterable[str], listing: str, near: Sequence[str] | None = None) -> str:
    """Say on one line that ``word`` is not one of ``known``: with names near it; else all of them, or how to list them.

    Args:
        listing: what lists them, a sentence, where they are too many for the line. near: those that were probably
            meant, where that is known better than by their letters.

    >>> missing_name("stage", "layr2", ["layer1", "layer2"], "")
    "Unknown stage 'layr2'. Did you mean 'layer2' or 'layer1'?"
    >>> missing_name("stage", "nope", ["layer1", "layer2"], "")
    "Unknown stage 'nope'. Known: layer1, layer2"
    >>> missing_name("weight", "nope", [f"layer{i}.weight" for i in range(9)], "The page lists them.")
    "Unknown weight 'nope'. The page lists them."
    """
    known = list(known)
    near = near_names(word, known) if near is None else near
    said = f"Unknown {what} '{word[:LONGEST_NAME]}'."
    if near:
        quoted = [f"'{one}'" for one in near]
        return f"{said} Did you mean {' or '.join(filter(None, [', '.join(quoted[:-1]), quoted[-1]]))}?"
    every = ", ".join(known)
    return f"{said} Known: {every}" if 0 < len(every) <= LONGEST_LIST else f"{said} {listing}"


def unknown_name(what: str, word: str, known: Iterable[str]) -> str:
    """Say that ``word`` is not one of ``known``, and which one was probably meant.

    >>> unknown_name("trunk", "transfomer", ["dense", "transformer"])
    "Unknown trunk 'transfomer'. Did you mean 'transformer'? Known: dense, transformer"
    """
    known = list(known)
    # Capitals count as other letters there, so "MLP" for "mlp" is looked for by itself.
    close = get_close_matches(word, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == word.lower()]
    hint = f" Did you mean '{close[0]}'?" if close else ""
    # Names may be the columns of a table, of which there can be thousands.
    shown = ", ".join(known[:40]) + (f" and {len(known) - 40} more" if len(known) > 40 else "")
    return f"Unknown {what} '{word}'.{hint} Known: {shown}"
