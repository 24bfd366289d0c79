"""Texts of what is said, one beside each recording: clip.txt beside clip.wav. n recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import PellucidError
from ...fields import Note, kind_named
from ...fields.files import Unreadable, read_file
from ...fields.notes import AS_IT_SAYS, LEFT_OUT
from ...wording import count_noun, is_or_are, join_words
from ..schema import asked_targets
from ..source import Contents, ReadOptions
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from ..tables.text_blocks import decode_text, encoding_in_words
from .classes import Classes
from .listing import Listing, suffix_of

# The column that the texts make, and what columns of them are called in tables.
TRANSCRIPT = "transcript"
NAMES = (TRANSCRIPT, "transcripts", "transcription", "transcriptions", "sentence", "utterance")

# How files end that hold what is said.
SUFFIX = ".txt"

# A text larger than this is no transcript of one recording.
MOST_TEXT_BYTES = 1 << 20

MOST_NAMED = 3

LAYOUT_FIX = "put what is said into clip.txt beside clip.wav"


@dataclass(frozen=True)
class Beside:
    """The texts beside recordings.

    Attributes:
        files: the paths of the texts by the path of their recording. loose: texts without a recording.
    """

    files: dict[str, str]
    loose: list[str]

    @property
    def texts(self) -> set[str]:
        """The paths of all texts."""
        return {*self.files.values(), *self.loose}


def find_beside(files: Listing) -> Beside:
    """Which text lies beside which recording: in the same folder, of the same name but for its ending."""
    if not files.kind or not kind_named(files.kind).recorded:
        return Beside({}, [])
    texts = {_stem(path): path for path in files.sidecars if suffix_of(path) == SUFFIX}
    found = {path: texts[_stem(path)] for path in files.paths if _stem(path) in texts}
    used = set(found.values())
    # Whatever else is text, as a licence, is no lost transcript.
    loose = [path for path in texts.values() if path not in used and path in files.texts] if found else []
    return Beside(found, loose)


def are_wanted(found: Contents | None, told: Classes, options: ReadOptions) -> bool:
    """Whether texts beside recordings are to be read: asked for, or all that could be learned.

    Args:
        found: what a table beside the recordings says. told: what their folders say.
    """
    if found is not None and TRANSCRIPT in found.columns:
        return False
    if TRANSCRIPT in (*asked_targets(options.target, ()), *options.names, *options.named):
        return True
    nothing_asked = not (options.target or options.names or options.label_from)
    return found is None and nothing_asked and not any(told.labels)


def note_unread(found: Contents, beside: Beside, where: str, notes: list[Note]) -> None:
    """Say that texts lie beside recordings, where something else is learned."""
    if beside.files and TRANSCRIPT not in found.columns and found.target is not None:
        text = f"{count_noun(len(beside.files), 'recording has', 'recordings have')} a text beside"
        text += f" {'it' if len(beside.files) == 1 else 'them'}, which is not read"
        notes.append(Note("info", text, where, LEFT_OUT, f"to learn what is said: --target {TRANSCRIPT}"))


def read_beside(files: Listing, paths: Sequence[str], beside: Beside, notes: list[Note]) -> dict[str, str]:
    """By recording, of those of ``paths`` that have one, the text beside it; white space is made single spaces.

    What has none, or one that can't be read, is noted by its file.

    Raises:
        PellucidError: when no recording has a text.
    """
    found: dict[str, str] = {}
    wrong: dict[str, list[str]] = {}
    guessed: dict[str, list[str]] = {}
    for path in (path for path in paths if path in beside.files):
        place = beside.files[path]
        try:
            found[path], guess = _read_text(files, place)
        except Unreadable as error:
            wrong.setdefault(str(error), []).append(place)
            continue
        if guess:
            guessed.setdefault(guess, []).append(place)
    if bare := [path for path in paths if path not in beside.files]:
        text = f"{count_noun(len(bare), 'recording has', 'recordings have')} no text of the same name beside "
        text += (
            f"{'it' if len(bare) == 1 else 'them'} and {is_or_are(len(bare))} left out: {join_words(bare, MOST_NAMED)}"
        )
        notes.append(Note("warning", text, files.name, LEFT_OUT, "write down what is said, or remove them"))
    if beside.loose:
        text = f"{count_noun(len(beside.loose), 'text has', 'texts have')} no recording of the same name and "
        text += f"{is_or_are(len(beside.loose))} left out: {join_words(beside.loose, MOST_NAMED)}"
        notes.append(Note("warning", text, files.name, LEFT_OUT, "copy the recordings to them"))
    for why, places in wrong.items():
        text = f"{count_noun(len(places), 'text')} {why}, left out with {'its' if len(places) == 1 else 'their'} "
        text += f"{'recording' if len(places) == 1 else 'recordings'}: {join_words(places, MOST_NAMED)}"
        notes.append(Note("warning", text, files.name, LEFT_OUT))
    for guess, places in guessed.items():
        text = f"{count_noun(len(places), 'text is', 'texts are')} not UTF-8 and read as {encoding_in_words(guess)}: "
        notes.append(Note("warning", text + join_words(places, MOST_NAMED), files.name, AS_IT_SAYS))
    if not found:
        first = next(iter(wrong), "")
        what = f"none of its {count_noun(len(paths), 'recording')} has a text that can be read"
        raise PellucidError(f"{what} (they are {first})" if first else what, where=files.name, fix=LAYOUT_FIX)
    return found


def _read_text(files: Listing, path: str) -> tuple[str, str]:
    """The text of a file, and the encoding that was guessed, empty for UTF-8. Raises Unreadable for what is none."""
    data = files.fetch(path) if files.fetch else read_file(str(files.root / path))
    if len(data) > MOST_TEXT_BYTES:
        raise Unreadable("longer than anything that one recording says")
    if what := meaning_of(data[:SAMPLE_BYTES])[0]:
        raise Unreadable(f"that holds not text but {what}")
    text, guess = decode_text(data)
    # Where lines end is not heard.
    text = " ".join(text.split())
    if not text:
        raise Unreadable("without a word")
    return text, guess


def _stem(path: str) -> str:
    return path[: -len(suffix_of(path))]
