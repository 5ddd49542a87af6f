"""The shipped instances: where their files are, and what the one with PostgreSQL has in common with the other."""

import yaml

from orchestration import deploy
from tests.conftest import ROOT


def test_both_instances_have_the_same_limits_and_the_database_is_found_from_dagster_home(shipped, tmp_path):
    assert deploy.FILE.read_text() == deploy.content(), "run `python -m orchestration.deploy`"
    plain, postgres = (yaml.safe_load(file.read_text()) for file in (ROOT / "dagster.yaml", deploy.FILE))
    assert list(postgres["storage"]) == ["postgres"]
    assert {**plain, "storage": None} == {**postgres, "storage": None}
    assert shipped.run_monitoring_max_runtime_seconds > 0
    assert (tmp_path / ".dagster" / "history").is_dir() and not (tmp_path.parent / ".dagster").exists()
    assert shipped.compute_log_manager.get_captured_local_path(["a"], "out").startswith(str(tmp_path))
    assert shipped.storage_directory().startswith(str(tmp_path / ".dagster"))
