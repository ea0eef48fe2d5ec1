"""What the documentation says is so: generated pages are fresh, commands and links exist, no folder is left out."""

import re
import tomllib

import botocore
import pytest
from docs.generate import compatibility, settings
from tests.tidy.project import PACKAGE, ROOT, name_of
from typer.main import get_command

from coldframe.cli.main import application
from coldframe.config import Config

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def test_compatibility_page_is_as_generated():
    page = (ROOT / "docs/compatibility.md").read_text()
    measured_with = re.search(r"botocore (\d+\.\d+\.\d+)", page)
    assert measured_with
    if measured_with[1] != botocore.__version__:
        pytest.skip(f"generated with botocore {measured_with[1]}, which lists other operations than this one")
    assert page == compatibility(), "run `make docs`"


def test_settings_page_is_as_generated():
    assert (ROOT / "docs/settings.md").read_text() == settings(), "run `make docs`"


def test_settings_are_described():
    silent = [name for name, field in Config.model_fields.items() if not (field.description or "").endswith(".")]
    assert not silent


def test_architecture_has_a_page_for_each_folder():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    described = {path.stem for path in (ROOT / "docs/architecture").glob("*.md")} - {"README"}
    assert folders == described


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    dead = [
        target
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_pages_exist(page):
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL))
    commands = set(re.findall(r"(?:^ *|[`/(])coldframe ([a-z]+)", code, re.MULTILINE))
    assert commands <= set(get_command(application).commands)
    targets = set(re.findall(r"(?:^ *|`)make ([a-z-]+)", code, re.MULTILINE))
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_readme_says_the_two_commands_first():
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_constraints_pin_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    unpinned = [name for name in (re.split(r"[\[<>=~! ]", one)[0].lower() for one in wanted) if name not in pinned]
    assert not unpinned
