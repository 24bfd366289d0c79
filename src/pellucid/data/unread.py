"""Files that nothing here reads: what they are, and what to do with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..fields import Note
from ..fields.notes import LEFT_OUT
from ..wording import count_noun, join_words

# How photos are kept that a converter makes JPEG of.
CONVERT = "save them as JPEG or PNG first (on a phone: share or export as 'most compatible')"

# Endings that no layout reads, so that the error can say what to do instead of what is known.
UNREAD_ARCHIVES = (".gz", ".xz", ".bz2", ".zst", ".7z", ".rar")

UNREAD_SHEETS = (".numbers", ".xlsm", ".xlsb")


@dataclass(frozen=True)
class Unread:
    """A form of files.

    Attributes:
        noun: what one of them is called. suffixes: how they end. fix: what to do.
        learned: False where nothing can be learned from what they hold, whatever their form.
        beside: whether they are photos or recordings, so that others beside them are read.
    """

    noun: str
    suffixes: tuple[str, ...]
    fix: str
    learned: bool = True
    beside: bool = False


FORMS = (
    Unread("HEIC photo", (".heic", ".heif", ".hif"), CONVERT, beside=True),
    Unread("raw photo", (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), CONVERT, beside=True),
    Unread("photo in a rare form", (".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".exr", ".hdr"), CONVERT, beside=True),
    Unread("drawing", (".svg", ".eps", ".ai"), "export them as PNG first", beside=True),
    Unread("medical image", (".dcm", ".dicom", ".nii", ".mha", ".nrrd"), "export the slices as PNG first", beside=True),
    Unread(
        "sound file",
        (".m4a", ".aac", ".wma", ".opus", ".aiff", ".aif", ".amr", ".caf", ".au"),
        "save them as WAV, FLAC, OGG or MP3 first (ffmpeg -i a.m4a a.flac)",
        beside=True,
    ),
    Unread(
        "video",
        (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"),
        "frames of each, saved as images, can be learned from",
        learned=False,
    ),
    Unread("document", (".pdf", ".docx", ".doc", ".odt", ".rtf", ".epub"), "save them as plain text (.txt) first"),
    Unread("web page", (".html", ".htm", ".xhtml"), "save their text as plain text (.txt) first"),
    Unread("array", (".npy", ".npz", ".mat", ".h5", ".hdf5"), "load it in Python and pass (X, y) to pellucid.read"),
    Unread("pickle", (".pkl", ".pickle", ".joblib"), "load it in Python and pass the frame to pellucid.read"),
    Unread("file of records", (".tfrecord", ".tfrecords", ".lmdb"), "unpack it into folders of files or a table first"),
    Unread("ARFF table", (".arff",), "save it as CSV (in Weka: Save as, CSV), or load it in Python and pass the frame"),
    Unread(
        "statistics file",
        (".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt", ".rds", ".rdata", ".rda"),
        "save it as CSV, or load it in Python (pandas reads most) and pass the frame to pellucid.read",
    ),
    Unread("database", (".sqlite", ".sqlite3", ".db"), "export a table of it as CSV first"),
)

_BY_SUFFIX = {suffix: form for form in FORMS for suffix in form.suffixes}


def explain_suffixes(suffixes: Mapping[str, int]) -> tuple[str, str] | None:
    """What most of some files are, and what to do; None where they are of no form that is known.

    Args:
        suffixes: how many files end in what.

    >>> explain_suffixes({".mp4": 3})[0]
    "it holds 3 videos (.mp4), and video can't be learned yet"
    """
    counts = Counter[str]()
    for suffix, count in suffixes.items():
        if form := _BY_SUFFIX.get(suffix):
            counts[form.noun] += count
    if not counts:
        return None
    noun, count = counts.most_common(1)[0]
    form = next(one for one in FORMS if one.noun == noun)
    ends = join_words(sorted(suffix for suffix in suffixes if suffix in form.suffixes))
    why = "can't be read" if form.learned else f"{noun.removesuffix(' file')} can't be learned yet"
    return f"it holds {count_noun(count, noun)} ({ends}), {'which' if form.learned else 'and'} {why}", form.fix


def note_others(others: Mapping[str, int], name: str, notes: list[Note]) -> None:
    """Say which files are left out: unreadable photos and recordings with what to do, others by how they end."""
    rest = Counter(dict(others))
    for form in (one for one in FORMS if one.beside):
        own = {suffix: others[suffix] for suffix in form.suffixes if others.get(suffix, 0) > 0}
        if own:
            total = sum(own.values())
            text = f"{count_noun(total, form.noun)} can't be read and {'is' if total == 1 else 'are'} left out"
            notes.append(Note("warning", f"{text} ({join_words(own)})", name, LEFT_OUT, form.fix))
            rest -= Counter(own)
    # Adding drops the counts that are down to 0.
    rest += Counter[str]()
    if rest:
        shown = join_words(f"{count:,} {suffix}" for suffix, count in rest.most_common(4))
        text = f"{count_noun(rest.total(), 'other file is', 'other files are')} left out ({shown})"
        notes.append(Note("info", text, name, LEFT_OUT))
