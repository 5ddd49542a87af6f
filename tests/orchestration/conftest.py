"""Fixtures of the tests of orchestration."""

import pytest

from tests.conftest import ROOT
from tests.pipeline import shipped_instance


@pytest.fixture
def shipped(tmp_path):
    """The instance of a folder with a copy of the shipped dagster.yaml."""
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    with shipped_instance(tmp_path) as instance:
        yield instance
