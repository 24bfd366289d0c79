"""The run folder: files that are whole or absent, damage that is found and said, checkpoints that survive a crash.

Three kinds of file live in a run folder, each guarded against flipped bits and cuts in its own way:

- files written once (``run.json``, ``weights.safetensors``): listed in ``manifest.json`` with size and SHA-256;
- lines that grow (``history.jsonl``): every line carries the CRC-32 of all lines up to and including itself;
- checkpoints: each file carries the SHA-256 of its own content, so that one good file is enough to go on.

A file is replaced manifest-first: the manifest accepts the new *and* the old version, then the file is renamed into
place, then the manifest forgets the old version. Wherever that is cut, every file is readable, old or new.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..errors import PellucidError
from . import atomic
from .atomic import FRESH, is_file, is_folder, os_errors_as, read_bytes, rename_durably, replace_file, write_fresh
from .jsonl import from_lines, to_lines
from .lock import CHECKPOINTS, LOCK, hold_lock, is_left, sweep_drafts
from .manifest import FORMAT, MANIFEST, Version, accepted_versions, is_entry, is_run_folder, render_manifest, version_of
from .strict_json import damage_error, parse_json, to_json
from .tensors import Tensors, pack_tensors, unpack_tensors

# A checkpoint's file name, without its ending.
STEP_NAME = re.compile("[0-9]{8,15}")

# Generations of checkpoints: should the newest be damaged, there is one to go on from.
KEPT_CHECKPOINTS = 2


class Folder:
    """A run folder, opened. Names are relative, with forward slashes, and never lead out of the folder.

    >>> folder = Folder.create("runs/tulips")
    >>> folder.write_json("run.json", {"format": 1})
    >>> Folder.open("runs/tulips").read_json("run.json")
    {'format': 1}
    """

    lasting = True

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        # Name -> CRC-32 of all lines so far, from which the next line's goes on; unknown until a file was looked at.
        self._ends: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r})"

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Folder:
        """Make the folder and its parents, or open the run that is there already.

        Raises:
            PellucidError: it holds something that is not a run, or can't be written.
        """
        folder = cls(path)
        with os_errors_as("make the run folder", folder.path):
            atomic.system.mkdir(folder.path)
            found = [path.name for path in folder.path.iterdir() if not is_left(path)]
        if not found:
            folder._list_files({})
        elif not is_run_folder(folder.path) and (MANIFEST not in found or not folder._has_own_manifest()):
            raise PellucidError(
                f"the folder is not empty and not a run (it holds '{min(found)}')",
                where=str(folder.path),
                fix="choose another folder, or empty this one",
            )
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Folder:
        """Open a run that exists. Raises PellucidError that names what is missing."""
        folder = cls(path)
        if not os.path.isdir(folder.path):
            what = "not a folder" if os.path.exists(folder.path) else "no such run folder"
            raise PellucidError(what, where=str(folder.path), fix="give the folder that `pellucid train` wrote")
        if not os.path.exists(folder.path / MANIFEST):
            raise PellucidError(
                f"not a run: it has no {MANIFEST}",
                where=str(folder.path),
                fix="give the complete folder that `pellucid train` wrote",
            )
        return folder

    # -- files written once ------------------------------------------------------------------------------------------

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file so that a crash at any moment leaves the old version or the new one."""
        self.write_all({name: data})

    def write_all(self, contents: Mapping[str, bytes]) -> None:
        """Write or replace some files, each as ``write`` does; one after the other they would take longer."""
        paths = {name: self._path_of(name) for name in contents}
        files = self._read_manifest()
        new = {name: version_of(data) for name, data in contents.items()}
        # All versions that were good so far stay so until the rename: a crash may have left any of them.
        before = {name: accepted_versions(files[name]) if name in files else [None] for name in contents}
        both = {name: {**one, "or": [v for v in before[name] if v != one]} for name, one in new.items()}
        with contextlib.ExitStack() as stack:
            passing = {name: stack.enter_context(write_fresh(paths[name], data)) for name, data in contents.items()}
            self._list_files({**files, **both})
            for name, path in paths.items():
                rename_durably(passing[name], path)
        self._list_files({**files, **new})

    def write_made(self, name: str, make: Callable[[], bytes]) -> None:
        """Write or replace a file, as ``write`` does, with what ``make`` makes now."""
        self.write(name, make())

    def write_json(self, name: str, obj: Any) -> None:
        """Write or replace a file of strict JSON (see ``to_json``), as ``write`` does."""
        self.write(name, (to_json(obj, indent=1) + "\n").encode())

    def read(self, name: str) -> bytes:
        """The file's content, checked against the manifest.

        Raises:
            PellucidError: it is missing, damaged or not part of the run.
        """
        while True:
            files = self._read_manifest()
            if name not in files:
                raise self._absent_error(name)
            data, problem = self._check_content(name, files[name])
            if data is not None:
                return data
            # With another manifest by now a training has just replaced the file: look again.
            if self._read_manifest() == files:
                raise damage_error(problem, self.path / name)

    def read_json(self, name: str) -> Any:
        """The value of a file of JSON. Raises PellucidError as ``read`` does, and for what is no strict JSON."""
        return parse_json(self.read(name), self.path / name)

    def exists(self, name: str) -> bool:
        """Whether there is an ordinary file of this name, listed or not."""
        return is_file(self._path_of(name))

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        path, files = self._path_of(name), self._read_manifest()
        # No file is good too before it is removed: a crash in between leaves nothing that looks damaged.
        entry = files.pop(name, None)
        if entry is not None:
            self._list_files({**files, name: {**entry, "or": [None]}})
        if is_file(path):
            with os_errors_as("remove", path):
                atomic.system.unlink(path)
                atomic.system.sync_folder(path.parent)
        if entry is not None:
            self._list_files(files)
        self._ends.pop(name, None)

    def names(self) -> list[str]:
        """The files in the manifest, sorted."""
        return sorted(self._read_manifest())

    def verify(self, known: Container[str] = ()) -> list[str]:
        """One sentence for each file that is missing or damaged; those ``known`` to be good are not read."""
        try:
            files = self._read_manifest()
        except PellucidError as e:
            return [str(e), *self._verify_own({})]
        left = [name for name in sorted(files) if name not in known]
        found = [problem for name in left if (problem := self._file_problem(name, files[name]))]
        return found + self._verify_own(files)

    # -- lines that grow ---------------------------------------------------------------------------------------------

    def append(self, name: str, rows: list[dict[str, Any]], sync: bool = False) -> None:
        """Add JSON lines. A line cut short by a crash is dropped first; ``sync`` waits until they are on the disk."""
        path = self._path_of(name)
        if name not in self._ends:
            self._mend_end(name, path)
        text, end = to_lines(rows, self._ends[name])
        with os_errors_as("add to", path):
            file = atomic.system.extend(path)
            try:
                atomic.system.write(file, text)
                if sync:
                    atomic.system.sync(file)
            # A part of it may be there: look again before the next append.
            except BaseException:
                self._ends.pop(name)
                raise
            finally:
                os.close(file)
        self._ends[name] = end

    def lines(self, name: str) -> list[dict[str, Any]]:
        """All rows of a file of lines; [] when there is none.

        A last line without its end (a crash while it was written) is dropped; any other damage raises PellucidError.
        """
        path = self._path_of(name)
        return from_lines(read_bytes(path), path)[0] if is_file(path) else []

    def truncate_lines(self, name: str, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Rewrite a file of lines with only the rows for which ``keep`` is True, in one atomic step."""
        if not self.exists(name):
            return
        text, end = to_lines([row for row in self.lines(name) if keep(row)], 0)
        path = self._path_of(name)
        replace_file(path, text)
        self._ends[name] = end

    # -- tensors -----------------------------------------------------------------------------------------------------

    def save_tensors(self, name: str, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Write or replace a safetensors file of arrays and JSON, as ``write`` does."""
        self.write(name, pack_tensors(tensors, meta))

    def load_tensors(self, name: str) -> tuple[Tensors, dict[str, Any]]:
        """The arrays and the JSON of a safetensors file. Raises PellucidError as ``read`` does."""
        return unpack_tensors(self.read(name), self.path / name)

    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint, good or not."""
        return bool(self._checkpoint_files())

    def save_checkpoint(self, step: int, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Write a checkpoint; once it is durable, all but the one before it are removed."""
        path = self._path_of(f"{CHECKPOINTS}/{step:08d}.safetensors")
        replace_file(path, pack_tensors(tensors, {"step": step, "meta": meta}))
        steps = self._checkpoint_files()
        # A later one belongs to a future that was given up.
        kept = [s for s in sorted(steps) if s <= step][-KEPT_CHECKPOINTS:]
        with os_errors_as("remove an older checkpoint", path.parent):
            for old in steps.keys() - set(kept):
                atomic.system.unlink(steps[old])

    def drop_checkpoints(self, after: int) -> None:
        """Remove the checkpoints of later steps than ``after``, such as damaged ones that were passed over."""
        with os_errors_as("remove a checkpoint", self.path / CHECKPOINTS):
            for step, path in self._checkpoint_files().items():
                if step > after:
                    atomic.system.unlink(path)

    def load_checkpoint(self) -> tuple[int, Tensors, dict[str, Any], str | None]:
        """The newest good checkpoint: ``(step, tensors, meta, note)``; ``note`` says which newer ones are damaged.

        Raises:
            PellucidError: there is none, or none is good.
        """
        bad: list[str] = []
        for step, path in sorted(self._checkpoint_files().items(), reverse=True):
            try:
                tensors, meta = _load_checkpoint(step, path)
            except PellucidError as e:
                bad.append(f"{e.where}: {e.what}")
            else:
                note = f"{'; '.join(bad)}. Going on from the checkpoint of step {step:,} instead." if bad else None
                return step, tensors, meta, note
        raise PellucidError(
            f"no good checkpoint ({'; '.join(bad)})" if bad else "there is no checkpoint",
            where=str(self.path),
            fix="start the training again",
        )

    # -- one training at a time --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """A context that holds the folder for one training, cleared of files that a crash left half-written.

        Raises:
            PellucidError: another process holds it.
        """
        with hold_lock(self.path / LOCK):
            sweep_drafts(self.path)
            yield

    # -- inside ------------------------------------------------------------------------------------------------------

    def _path_of(self, name: str) -> Path:
        """The path of ``name``. Raises PellucidError when it would leave the folder or meet a file of its own."""
        pure = PurePosixPath(name)
        odd = not pure.parts or str(pure) != name or pure.is_absolute() or ".." in pure.parts
        if odd or any(c in name for c in "\\:\0\n") or pure.name in (MANIFEST, LOCK) or pure.name.startswith(FRESH):
            raise PellucidError(f"{name!r} can't be the name of a file in a run", where=str(self.path))
        path = self.path
        for part in pure.parts:
            path = path / part
            if path.is_symlink():
                raise PellucidError(
                    "links are not followed in a run folder", where=str(path), fix="copy the file itself here"
                )
        # A pipe would never be opened, a device never end.
        if os.path.lexists(path) and not is_file(path):
            raise PellucidError("it is not a file", where=str(path), fix="move it out of the run folder")
        return path

    def _read_manifest(self) -> dict[str, Version]:
        """The versions of each file that are good now. Raises PellucidError when the manifest is missing or damaged."""
        path = self.path / MANIFEST
        if not is_file(path):
            raise PellucidError(f"there is no {MANIFEST}", where=str(self.path), fix="copy the whole run again")
        raw = read_bytes(path)
        manifest = parse_json(raw, path)
        if not isinstance(manifest, dict) or not isinstance(files := manifest.get("files"), dict):
            raise damage_error("it is damaged", path)
        # Good when it renders to itself: so a changed byte anywhere shows, in its own checksum too.
        if all(map(is_entry, files.values())) and raw == render_manifest(files):
            return files
        if isinstance(manifest.get("format"), int) and manifest["format"] > FORMAT:
            raise PellucidError(
                f"written in format {manifest['format']}; this Pellucid reads up to {FORMAT}",
                where=str(path),
                fix="update Pellucid",
            )
        raise damage_error("it is damaged", path)

    def _has_own_manifest(self) -> bool:
        """Whether the file ``manifest.json`` is a run's, however damaged."""
        # Other programs have files of that name too, and theirs must not be written over.
        manifest = parse_json(read_bytes(self.path / MANIFEST), self.path / MANIFEST)
        return isinstance(manifest, dict) and {"format", "files"} <= manifest.keys()

    def _list_files(self, files: Mapping[str, Version]) -> None:
        """Replace the manifest, in one step."""
        replace_file(self.path / MANIFEST, render_manifest(files))

    def _check_content(self, name: str, entry: Version) -> tuple[bytes | None, str]:
        """The content of a file in the manifest, or None and what is wrong with it."""
        path, good = self._path_of(name), accepted_versions(entry)
        if not is_file(path):
            return None, "it is missing"
        sizes = {v["size"] for v in good if v}
        # Known without reading a file that may be large.
        if path.stat().st_size not in sizes:
            return None, f"it is damaged ({path.stat().st_size:,} bytes instead of {min(sizes):,})"
        data = read_bytes(path)
        return (data, "") if version_of(data) in good else (None, "it is damaged (its checksum is wrong)")

    def _file_problem(self, name: str, entry: Version) -> str | None:
        """What is wrong with a file in the manifest, in a sentence; None for nothing."""
        try:
            data, problem = self._check_content(name, entry)
        except PellucidError as e:
            return str(e)
        # Not yet there, or just removed.
        gone = not is_file(self.path / name) and None in accepted_versions(entry)
        return None if data is not None or gone else str(damage_error(problem, self.path / name))

    def _verify_own(self, files: Mapping[str, Version]) -> list[str]:
        """What is wrong with the files that carry their own checksums (lines, checkpoints), a sentence each."""
        found = []
        for path in sorted(self.path.glob("*.jsonl")):
            if path.name not in files:
                found += _complaint_of(partial(self.lines, path.name))
        for step, path in sorted(self._checkpoint_files().items()):
            found += _complaint_of(partial(_load_checkpoint, step, path))
        return found

    def _checkpoint_files(self) -> dict[int, Path]:
        """The files of all checkpoints, by step."""
        place = self.path / CHECKPOINTS
        found = place.glob("*.safetensors") if is_folder(place) else ()
        return {int(path.stem): path for path in found if STEP_NAME.fullmatch(path.stem) and is_file(path)}

    def _mend_end(self, name: str, path: Path) -> None:
        """Find the CRC-32 the next line continues from, and cut off a last line that has no end."""
        self._ends[name] = 0
        if not is_file(path):
            return
        data = read_bytes(path)
        _, self._ends[name] = from_lines(data, path)
        whole = data.rfind(b"\n") + 1
        # A copy of the run that was made of hard links would grow with this one.
        if path.stat().st_nlink > 1:
            replace_file(path, data[:whole])
        elif whole < len(data):
            with os_errors_as("mend", path):
                file = atomic.system.extend(path)
                try:
                    atomic.system.truncate(file, whole)
                finally:
                    os.close(file)

    def _absent_error(self, name: str) -> PellucidError:
        there = "is in the folder but not in its manifest" if self.exists(name) else "is missing"
        return PellucidError(
            f"'{name}' {there}",
            where=str(self.path),
            fix="the training may not have got that far: pellucid resume RUN",
        )


def holds_whole(folder: Folder, name: str) -> bool:
    """Whether a folder has a file, as it was written."""
    return not _complaint_of(lambda: folder.read(name))


def _complaint_of(check: Callable[[], Any]) -> list[str]:
    """What PellucidError a check raises, in a list; [] for none."""
    try:
        check()
    except PellucidError as e:
        return [str(e)]
    return []


def _load_checkpoint(step: int, path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and numbers of a checkpoint. Raises PellucidError when it is damaged or of another step."""
    # Its own checksum does not know the file's name.
    tensors, own = unpack_tensors(read_bytes(path), path)
    if own.get("step") != step or not isinstance(meta := own.get("meta"), dict):
        raise damage_error(f"it holds step {own.get('step')}, not {step}", path)
    return tensors, meta
