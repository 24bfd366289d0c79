"""What files are by their names: prose, source code in some language, made by a program, or of somebody else."""

from __future__ import annotations

import re

from ..folders.listing import may_be_text, suffix_of

# By how a file of prose ends, what it is written in.
PROSE = {
    **dict.fromkeys((".txt", ".text", ".asc"), "plain text"),
    **dict.fromkeys((".md", ".markdown", ".mdx"), "Markdown"),
    ".rst": "reStructuredText", ".tex": "LaTeX", ".adoc": "AsciiDoc", ".org": "Org", ".eml": "mail",
}  # fmt: skip

# By how a file of source code ends, its language.
SOURCES = {
    **dict.fromkeys((".py", ".pyi", ".pyx"), "Python"),
    **dict.fromkeys((".c", ".h"), "C"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx"), "C++"),
    **dict.fromkeys((".cu", ".cuh"), "CUDA"),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "JavaScript"),
    **dict.fromkeys((".ts", ".tsx", ".mts"), "TypeScript"),
    **dict.fromkeys((".html", ".htm"), "HTML"),
    **dict.fromkeys((".css", ".scss", ".less"), "CSS"),
    **dict.fromkeys((".sh", ".bash", ".zsh", ".fish"), "shell"),
    **dict.fromkeys((".ps1", ".bat", ".cmd"), "Windows shell"),
    **dict.fromkeys((".kt", ".kts"), "Kotlin"),
    **dict.fromkeys((".scala", ".sc"), "Scala"),
    **dict.fromkeys((".pl", ".pm"), "Perl"),
    **dict.fromkeys((".ex", ".exs"), "Elixir"),
    **dict.fromkeys((".erl", ".hrl"), "Erlang"),
    **dict.fromkeys((".clj", ".cljs"), "Clojure"),
    **dict.fromkeys((".lisp", ".el", ".scm", ".rkt"), "Lisp"),
    **dict.fromkeys((".ml", ".mli"), "OCaml"),
    **dict.fromkeys((".f", ".f90", ".f95", ".for"), "Fortran"),
    **dict.fromkeys((".s", ".asm"), "assembly"),
    **dict.fromkeys((".v", ".sv", ".vhd", ".vhdl"), "hardware description"),
    **dict.fromkeys((".yaml", ".yml"), "YAML"),
    **dict.fromkeys((".ini", ".cfg", ".conf"), "configuration"),
    **dict.fromkeys((".mk", ".cmake"), "build rules"),
    ".java": "Java", ".cs": "C#", ".go": "Go", ".rs": "Rust", ".swift": "Swift", ".m": "Objective-C or MATLAB",
    ".rb": "Ruby", ".php": "PHP", ".r": "R", ".jl": "Julia", ".lua": "Lua", ".hs": "Haskell", ".dart": "Dart",
    ".zig": "Zig", ".nim": "Nim", ".pas": "Pascal", ".sql": "SQL", ".vue": "Vue", ".svelte": "Svelte",
    ".toml": "TOML", ".proto": "protocol buffers", ".graphql": "GraphQL", ".vim": "Vim script", ".groovy": "Groovy",
    ".gradle": "Gradle", ".sol": "Solidity", ".glsl": "GLSL",
}  # fmt: skip

# Files of source code that are known by their whole names.
SOURCE_NAMES = {"makefile": "build rules", "cmakelists.txt": "build rules", "dockerfile": "build rules",
                "rakefile": "Ruby", "gemfile": "Ruby"}  # fmt: skip

# Files without an ending that people write beside code and notes.
PROSE_NAMES = ("readme", "license", "licence", "copying", "changelog", "changes", "authors", "contributing", "notice",
               "news", "todo")  # fmt: skip

# Folders of what others have written, or what programs have left.
VENDORED = ("node_modules", "__pycache__", "bower_components", "site-packages", "vendor", "third_party")

VENDORED_NAME = re.compile(r".*\.(egg-info|dist-info|egg)", re.IGNORECASE)

# What a virtual environment of Python holds.
ENVIRONMENT = "pyvenv.cfg"

# Made by programs: what packages are installed, code that was packed, code made from descriptions.
GENERATED_NAME = re.compile(
    r".*\.min\.(js|css|mjs)|.*[.-]bundle\.(js|css)|.*_pb2(_grpc)?\.pyi?|.*\.pb\.(go|cc|h)|.*\.g\.dart|.*\.designer\.cs"
    r"|(pnpm|package)-lock\.ya?ml|.*\.lock|go\.sum|npm-shrinkwrap\..*",
    re.IGNORECASE,
)


def language_of(path: str) -> str:
    """What a file is written in, by its name; empty where that is not known to be text.

    >>> language_of("src/a.py"), language_of("notes/LICENSE"), language_of("cat.jpg")
    ('Python', 'plain text', '')
    """
    name = path.rsplit("/", 1)[-1].lower()
    suffix = suffix_of(name)
    if known := SOURCE_NAMES.get(name) or SOURCES.get(suffix) or PROSE.get(suffix):
        return known
    plain = not suffix and name.startswith(PROSE_NAMES)
    return "plain text" if plain or may_be_text(name) else ""


def is_source(path: str) -> bool:
    """Whether a file is source code, by its name."""
    name = path.rsplit("/", 1)[-1].lower()
    return name in SOURCE_NAMES or suffix_of(name) in SOURCES


def is_vendored(name: str) -> bool:
    """Whether a folder of this name holds what others have written, or what programs have left."""
    return name in VENDORED or VENDORED_NAME.fullmatch(name) is not None


def is_generated(name: str) -> bool:
    """Whether a file of this name was made by a program.

    >>> is_generated("jquery.min.js"), is_generated("poetry.lock"), is_generated("minute.js")
    (True, True, False)
    """
    return GENERATED_NAME.fullmatch(name) is not None
