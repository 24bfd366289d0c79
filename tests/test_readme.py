"""What the README shows works: its Python, its commands and files; and the tree in docs/design.md is whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.cli import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"<!-- runs as a test -->\n```python\n(.*?)```", TEXT, re.S)


def test_python_blocks_run(tmp_path: Path) -> None:
    assert len(BLOCKS) == 3
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(BLOCKS)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "class_" in done.stdout
    assert "Network(" in done.stdout


def test_every_command_it_shows_exists(capsys: pytest.CaptureFixture[str]) -> None:
    shown = set(re.findall(r"^pellucid (\w+)", TEXT, re.M))
    assert len(shown) >= 6
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^  (\w+) ", capsys.readouterr().out, re.M))
    assert shown <= known


def test_every_file_it_names_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert len(links) >= 4
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_tree_of_the_design_is_the_whole_tree() -> None:
    """Every file and folder of the package, one line each that says what it is, and nothing that is not there."""
    shown, folders = [], ["src/pellucid"]
    for line in (ROOT / "docs" / "design.md").read_text().split("\nsrc/pellucid/\n")[1].split("```")[0].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, about = line.strip().partition(" ")
        assert about.strip(), f"nothing is said of {name}"
        folders[depth:] = [name.rstrip("/")]
        shown.append("/".join(folders[: depth + 1]))
    there = [path for path in (ROOT / "src" / "pellucid").rglob("*") if path.suffix == ".py" or path.is_dir()]
    there = [path for path in there if path.name not in ("__init__.py", "__pycache__")]
    assert sorted(shown) == sorted(path.relative_to(ROOT).as_posix() for path in there)
