"""Where the project's files are, for the tests that look at the files themselves."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "coldframe"

PYTHON_FOLDERS = ("src", "tests", "benchmarks", "examples", "docs")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".ipynb", ".mako", ".json", ".cfg", ".sh", ""}
NOT_OURS = {".venv", ".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "results"}
NOT_OURS |= {".import_linter_cache", "build", "dist", "coldframe-demo", ".coldframe"}


@cache
def python_files() -> list[Path]:
    """Every Python file of the project."""
    return sorted(
        path
        for folder in PYTHON_FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if NOT_OURS.isdisjoint(path.relative_to(ROOT).parts)
    )


@cache
def text_files() -> list[Path]:
    """Every file of the project that people read."""
    return sorted(
        path
        for path in ROOT.rglob("*")
        if path.suffix in TEXT_SUFFIXES
        and NOT_OURS.isdisjoint(path.relative_to(ROOT).parts)
        and not any(part.endswith(".egg-info") for part in path.parts)
        and path.is_file()
    )


@cache
def syntax_of(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    """A path as the project's people write it."""
    return path.relative_to(ROOT).as_posix()
