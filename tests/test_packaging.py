"""The wheel outside the checkout, and the lists of what it needs."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.categories import load_categories
from orchestration.command.init_project import TEMPLATES
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ROOMS = ("core", "orchestration", "explorer")
APP = """
import pathlib
import sys
from streamlit.testing.v1 import AppTest
import explorer
at = AppTest.from_file(explorer.__path__[0] + "/app.py", default_timeout=180)
at.run()
assert not at.exception, at.exception[0].value
for page in pathlib.Path(explorer.__path__[0]).glob("*/page.py"):
    at.switch_page(f"{page.parent.name}/page.py").run()
    assert not at.exception, at.exception[0].value
    print(*[element.value for element in at.get("subheader")], file=sys.stderr)
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("core", "explorer")))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the sources, so that the checkout gets no build folder."""
    folder = tmp_path_factory.mktemp("sources")
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, folder / room, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", *TEMPLATES):
        shutil.copy(ROOT / name, folder)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A project folder beside an environment that holds the wheel, and sees the test environment's packages."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=100)
    python = environment / "bin" / "python"
    [packages] = environment.glob("lib/python*/site-packages")
    # A folder named so is searched, but the .pth files in it (of the editable install) are not followed.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (folder / "project").mkdir()
    return python


def call(python, *command, folder="project"):
    """Run in the environment, outside the checkout, as a user whose shell knows nothing of the project."""
    cleared = ("ALSOBOUGHT", "DAGSTER", "RAW_DIR", "PYTHON", "NUMBA")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(cleared)}
    environment |= {"DAGSTER_DISABLE_TELEMETRY": "yes"}
    done = subprocess.run(
        [str(part) for part in command],
        env=environment, cwd=python.parents[2] / folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_the_wheel_holds_every_file_that_is_not_python(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.split("/")[0] in ROOMS}
        for name in TEMPLATES[1:]:
            assert archive.read(f"orchestration/templates/{name}") == (ROOT / name).read_bytes()
    expected = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".png"
    }
    assert names == expected
    assert {f"{room}/py.typed" for room in ROOMS} <= names


def test_init_writes_a_project_and_never_over_it(installed, tmp_path):
    alsobought, shop = installed.parent / "alsobought", tmp_path / "shop"
    assert "init" in call(installed, alsobought, "--help").stdout
    said = call(installed, alsobought, "init", shop).stdout.splitlines()
    assert said[:-1] == [f"wrote {shop / name}" for name in TEMPLATES]
    assert said[-1] == f"Next: cd {shop} && alsobought demo"
    (shop / "dagster.yaml").write_text("mine")
    (shop / "workspace.yaml").unlink()
    said = call(installed, alsobought, "init", shop).stdout
    assert f"kept {shop / 'dagster.yaml'}" in said and f"wrote {shop / 'workspace.yaml'}" in said
    assert (shop / "dagster.yaml").read_text() == "mine"
    assert set(load_categories(shop / "categories.yaml")) == {"sample"}


def test_it_runs_sample_and_opens_the_explorer_outside_the_checkout(installed):
    call(installed, installed.parent / "alsobought", "init", ".")
    done = call(installed, installed.parent / "alsobought", "materialize", "sample", "--select", "*product_pairs")
    assert "sample: materialized" in done.stderr
    project = installed.parents[2] / "project"
    assert (project / "data" / "store" / "product_pairs" / "sample" / "manifest.json").is_file()
    opened = call(installed, installed, "-c", APP)
    assert "core.store" in opened.stdout
    where = call(
        installed, installed, "-c", "import core, orchestration, explorer as e; print(*core.__path__, *e.__path__)"
    )
    assert all(str(installed.parents[1]) in path for path in where.stdout.split())
    # What the explorer loads comes with its extra, and with the extra comes neither Dagster nor torch.
    loaded = [name.replace(".", "/") for name in opened.stdout.split()]
    files = [ROOT / f"{name}{end}" for name in loaded for end in (".py", "/__init__.py")]
    brought = closure(EXTRAS["explorer"])
    assert imported([path for path in files if path.is_file()], top=True) - brought == set()
    assert {"dagster", "torch", "gensim", "numba"} & brought == set()


def imported(files, top):
    """Distributions that the files import; ``top``: on being imported themselves, not later in a function."""
    distributions, found = metadata.packages_distributions(), set()
    for path in files:
        tree = ast.parse(path.read_text())
        for node in tree.body if top else ast.walk(tree):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in (name.split(".")[0] for name in names):
                if name not in sys.stdlib_module_names and name not in ROOMS:
                    found |= {canonicalize_name(distributions[name][0])}
    return found


def closure(requirements):
    """Names of the distributions that the requirements bring, those of their own requirements too."""
    found, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in found:
            continue
        found.add(key)
        for text in metadata.requires(name) or []:
            more = Requirement(text)
            wanted = [{"extra": extra} for extra in ("", *requirement.extras)]
            if more.marker is None or any(more.marker.evaluate(each) for each in wanted):
                waiting.append(more)
    return {name for name, _ in found}


def test_the_extras_name_what_each_room_needs():
    assert set(PROJECT["dependencies"]) == {*EXTRAS["explorer"], *EXTRAS["pipeline"], *EXTRAS["gensim"]}
    files = [path for room in ("core", "orchestration") for path in (ROOT / room).rglob("*.py")]
    gensim = {path for path in files if "gensim" in path.as_posix()}
    delivery = {path for path in files if "core/delivery/" in path.as_posix()}
    others = [path for path in files if path not in gensim | delivery]
    assert imported(others, top=False) - closure(EXTRAS["pipeline"]) == set()
    assert imported(gensim, top=False) - closure([*EXTRAS["pipeline"], *EXTRAS["gensim"]]) == set()
    assert imported(delivery, top=True) - closure(EXTRAS["pipeline"]) == set()
    assert imported(delivery, top=False) - closure([*EXTRAS["pipeline"], *EXTRAS["delivery"]]) == set()


def pinned(name):
    """Name → version and number of hashes."""
    text = (ROOT / name).read_text()
    entries = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)(.*(?:\n[ \t]+.*)*)", text, re.MULTILINE)
    return {canonicalize_name(entry[0]): (entry[1], entry[2].count("--hash=sha256:")) for entry in entries}


def test_the_locks_hold_what_runs_with_hashes_and_what_tests_need_apart():
    run, dev, torch = (pinned(f"requirements{part}.lock") for part in ("", "-dev", "-torch"))
    assert list(torch) == ["torch"] and not set(run) & set(dev)
    assert [name for name, (_, hashes) in (run | dev).items() if not hashes] == []
    for there, texts in (
        (run | torch, PROJECT["dependencies"] + EXTRAS["deploy"] + EXTRAS["delivery"]),
        (run | dev, EXTRAS["dev"]),
    ):
        for requirement in map(Requirement, texts):
            name = canonicalize_name(requirement.name)
            if name != "alsobought":
                assert name in there, f"{name} is not in its lock file; run `make lock`"
                assert requirement.specifier.contains(there[name][0]), f"{name}: run `make lock`"
    tools = {canonicalize_name(Requirement(text).name) for text in EXTRAS["dev"]} - {
        "alsobought",
        "networkx",
        "setuptools",
    }
    tools -= closure(PROJECT["dependencies"] + EXTRAS["deploy"] + EXTRAS["delivery"])
    assert {"pytest", "ruff", "mypy", "hypothesis", "playwright"} <= tools and tools <= set(dev)


def test_the_makefile_installs_what_runs_for_the_demo_and_both_for_tests(tmp_path):
    """Asked of make itself, without running anything."""
    asked = {}
    for target in ("demo", "test"):
        command = ["make", "--dry-run", "--always-make", target, f"VENV={tmp_path}"]
        asked[target] = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for text in asked.values():
        assert "--require-hashes -r requirements.lock" in text and "-r requirements-torch.lock" in text
    assert "requirements-dev.lock" in asked["test"] and "requirements-dev.lock" not in asked["demo"]
