"""Who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [path for folder in ("explorer", "pages") for path in sorted((ROOT / folder).rglob("*.py"))] + [ROOT / "app.py"]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file; names of ``from`` imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def uses(path: Path, package: str) -> bool:
    """Whether a file imports ``package`` or something in it."""
    return any(name == package or name.startswith(f"{package}.") for name in imports(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    where = path.relative_to(ROOT).parts
    if where[0] == "explorer":
        assert not uses(path, "streamlit")
        assert not uses(path, "pages")
        if "figures" not in where:
            assert not uses(path, "plotly")
            assert not uses(path, "explorer.figures")
    if where[:2] == ("explorer", "architectures"):
        third = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"explorer"}
        assert third <= {"torch"}
        assert all(name.startswith("explorer.architectures.") for name in imports(path) if "explorer" in name)
    if where[:2] == ("pages", "shared"):
        assert not any(name.startswith("pages.") and not name.startswith("pages.shared.") for name in imports(path))
    if where[0] == "pages":
        assert not uses(path, "app")
        if where[1] != "shared":
            assert len(path.read_text().splitlines()) <= 120
    for name in imports(path):
        package, _, last = name.rpartition(".")
        private = last.startswith("_") and package.split(".")[0] in ("explorer", "pages")
        assert not private, f"{path} imports {name}"


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "pages"], ids=lambda path: path.name)
def test_every_page_starts_with_the_guard(path):
    calls = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Expr)]
    first = next(node.value for node in calls if isinstance(node.value, ast.Call))
    assert ast.unparse(first) == "navigation.guard()"


@pytest.mark.parametrize(
    "module", ["explorer", "explorer.catalogue", "explorer.images", "explorer.palettes", "pages.shared.selection"]
)
def test_what_the_first_paint_needs_imports_no_torch(module):
    code = f"import sys, {module}; heavy = {{'torch', 'torchvision', 'captum', 'skimage', 'sklearn'}}"
    code += "\nassert not heavy & set(sys.modules), heavy & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_there_are_no_plain_caches_outside_their_homes():
    for path in FILES:
        if "cache_resource" in path.read_text() or "cache_data" in path.read_text():
            assert path.name in ("cache.py", "pictures.py", "warm_up.py"), path
