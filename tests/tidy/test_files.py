"""Every file says what it is for, bears a telling name, and speaks of nobody's machine."""

import ast
import re

from tests.tidy.project import PACKAGE, ROOT, name_of, python_files, syntax_of, text_files

SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "misc", "tools"}


def test_file_opens_with_one_sentence():
    silent = []
    for path in python_files():
        docstring = ast.get_docstring(syntax_of(path)) or ""
        first_paragraph = docstring.split("\n\n")[0].strip()
        if not re.match(r"\S.*[.:]$", first_paragraph, re.DOTALL):
            silent.append(f"{name_of(path)}: {first_paragraph!r}")
    assert not silent, "files that do not open with a sentence on what they are for:\n" + "\n".join(silent)


def test_module_names_say_something():
    mute = [name_of(path) for path in python_files() if SAY_NOTHING & {path.stem.strip("_"), path.parent.name}]
    assert not mute, f"these names say nothing of what is inside: {mute}"


def test_files_name_no_developers_machine():
    # put together here, so that this file does not name them itself
    private = [
        re.escape("/" + "work" + "/"),
        re.escape("/tmp" + "/w/"),
        re.escape("/opt" + "/pypi"),
        r"\." + "library/",
    ]
    pattern = re.compile("|".join(private))
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:120]}")
    assert not found, "paths of one machine:\n" + "\n".join(found)


def test_every_package_folder_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py") if path.parent.name != "versions"}
    bare = [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not bare, f"folders without __init__.py: {bare}"


def test_make_is_documented():
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    described = re.findall(r"^([a-z-]+):.*?## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(targets) == set(described)


def test_tests_are_where_pytest_finds_them():
    lost = [
        f"{name_of(path)}: {function.name}"
        for path in python_files()
        if path.is_relative_to(ROOT / "tests") and not path.name.startswith("test_")
        for function in syntax_of(path).body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_")
    ]
    assert not lost, f"pytest never runs these: {lost}"
