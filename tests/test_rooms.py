"""The three rooms and their one direction, and definitions that import nothing heavy."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FORBIDDEN = {
    "core": {"dagster", "streamlit", "orchestration", "explorer"},
    "orchestration": {"streamlit", "explorer"},
    "explorer": {"dagster", "orchestration"},
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("room", list(FORBIDDEN))
def test_imports_go_one_way(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        wrong = FORBIDDEN[room] & set(imported(path))
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("orchestration.definitions", ("torch", "gensim", "numba", "sklearn", "faiss", "streamlit")),
        ("core.store", ("torch", "gensim", "numba", "sklearn", "faiss", "dagster")),
        ("core.models", ("torch", "gensim", "numba", "sklearn", "faiss", "dagster")),
        ("orchestration.web.api.app", ("torch", "gensim", "numba", "sklearn", "faiss", "dagster", "pandas")),
    ],
)
def test_importing_stays_light(module, unwanted):
    program = f"import sys, {module}; print(*sorted(set(sys.modules) & {set(unwanted)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_core_prints_nothing():
    for path in (ROOT / "core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
            assert called not in ("print", "eval", "exec"), f"{path.relative_to(ROOT)}:{node.lineno} calls {called}"


def test_asset_functions_stay_thin():
    for path in (ROOT / "orchestration").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any("asset" in ast.unparse(d) for d in node.decorator_list):
                lines = node.end_lineno - node.body[0].lineno + 1
                assert lines <= 30, f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines"
