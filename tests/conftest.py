"""Shared set-up: where the tests' categories and real data are. Nothing here touches the project's own data/."""

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's business, not the code's.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# The definitions read categories.yaml on import, so the tests' own file must be named before that.
os.environ["ALSOBOUGHT_HOME"] = str(ROOT)
os.environ["ALSOBOUGHT_CATEGORIES"] = str(ROOT / "tests" / "categories.yaml")
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"


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

    return build(tmp_path_factory.mktemp("materialized"))
