"""Shared set-up: where the tests' categories and real data are. Nothing here touches the project's own data/."""

import os
import shutil
import tempfile
import uuid
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's business, not the code's.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# The definitions read categories.yaml on import, so the tests' own file must be named before that.
HOME = tempfile.mkdtemp(prefix="alsobought-tests-")
os.environ["ALSOBOUGHT_HOME"] = HOME
os.environ["ALSOBOUGHT_CATEGORIES"] = str(ROOT / "tests" / "categories.yaml")
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"


def pytest_unconfigure(config):
    shutil.rmtree(HOME, ignore_errors=True)


# What takes longest starts first, else one process works on long after the other has ended: the files that start
# servers, runs and browsers, in the order of their folders, and the files of core last.
FOLDERS = ("tests/orchestration", "tests/explorer", "tests", "tests/core")
PIPELINE = ("test_assets.py", "test_cli.py", "test_rebuilds.py")
"""Files of tests/orchestration whose tests look at what the fixture ``pipeline`` materialized, or go on from it."""


def pytest_make_parametrize_id(val):
    """Bytes never name a test: what gzip writes holds the second of its writing, and xdist refuses to start where two
    of its processes collected different names. Those tests are numbered, or have ``ids`` of their own."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    def rank(item):
        folders = [folder.relative_to(ROOT).as_posix() for folder in item.path.parents if ROOT in folder.parents]
        first = next(folder for folder in folders if folder in FOLDERS)
        return FOLDERS.index(first), item.path.name not in PIPELINE

    items.sort(key=rank)


def pytest_xdist_make_scheduler(config, log):
    """A file's tests go to one process, in their order; those of the materialized pipeline too, so that it is made
    once. xdist's own groups do the same, but not beside pytest 9.2."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "pipeline" if file in [f"{FOLDERS[0]}/{name}" for name in PIPELINE] else file

    config.option.loadscopereorder = False  # it puts the files with most tests first, which are the quickest
    return ByFile(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real catalogues; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data is not there ({SHARED})")
    return SHARED


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """Both working categories of tests/categories.yaml, materialized once; modules work on copies of it."""
    from tests.pipeline import build

    return build(tmp_path_factory.mktemp("materialized"), tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="session")
def postgresql_server():
    """The variables of a PostgreSQL server of this process's own."""
    from tests import postgres

    with postgres.server() as variables:
        yield variables


@pytest.fixture
def postgresql_url(postgresql_server):
    """The URL of an empty database, with a password in it."""
    import psycopg

    from tests import postgres

    name = f"shop_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres.url(postgresql_server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.url(postgresql_server | {"DAGSTER_PG_DB": name}, "Zq7SECRETx")


@pytest.fixture(scope="session")
def redis_url():
    """The URL of a Redis server of this process's own."""
    from tests import redis_server

    with redis_server.server() as url:
        yield url
