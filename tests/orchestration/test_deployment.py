"""A team's deployment: the instance in a real PostgreSQL server, artefacts in a real S3-compatible bucket."""

import shutil
import subprocess
import sys

import dagster as dg
import numpy as np
import pytest
from dagster._core.test_utils import environ
from upath import UPath

from core.store.artefacts import MANIFEST, Store
from tests import bucket as bucket_server
from tests import postgres
from tests.conftest import ROOT
from tests.faults import Installation, kill_all
from tests.pipeline import shipped_instance, write_pairs


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with bucket_server.server(tmp_path_factory.mktemp("bucket")) as address:
        yield f"{address}/store"


def test_a_bucket_serves_whole_artefacts_and_a_failed_write_leaves_the_earlier_one(bucket, monkeypatch):
    store = Store(bucket)
    assert store.manifest("x", "c") is None and store.categories("x") == []
    first = store.write("x", "c", np.arange(6).reshape(2, 3))
    assert store.categories("x") == ["c"]
    np.testing.assert_array_equal(store.read("x", "c"), [[0, 1, 2], [3, 4, 5]])

    # The manifest is written in one request after all files, so no intermediate state is ever current.
    seen = []
    plain = UPath.write_bytes

    def write(path, data):
        if path.name == MANIFEST:
            seen.append((Store(bucket).manifest("x", "c"), sorted(p.name for p in store.folder("x", "c").iterdir())))
            raise OSError("connection lost")
        return plain(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(type(store.folder("x", "c")), "write_bytes", write)
        with pytest.raises(OSError, match="connection lost"):
            store.write("x", "c", np.zeros(2))
    [(manifest, names)] = seen
    assert manifest == first and len(names) == 3  # the manifest, the first version, the second one's files
    np.testing.assert_array_equal(Store(bucket).read("x", "c"), [[0, 1, 2], [3, 4, 5]])

    # Another process writes. This one must see it, although fsspec would cache listings for ever.
    program = f"import numpy, core.store; core.store.Store({bucket!r}).write('x', 'd', numpy.ones(1))"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert store.categories("x") == ["c", "d"]


def test_a_category_is_materialized_into_a_bucket(bucket, tmp_path):
    place = Installation(tmp_path, epochs=2)
    place.environment["ALSOBOUGHT_STORE"] = bucket  # the credentials are in the environment already
    place.complete("*neighbours/rp3beta")
    found = Store(bucket).read("neighbours/rp3beta", "alpha").table
    assert found.num_rows > 0 and not (tmp_path / "data" / "store").exists()


def test_two_categories_are_rebuilt_at_once_with_the_instance_in_postgres(tmp_path):
    pytest.importorskip("dagster_postgres", reason="the extra 'deploy' installs it")
    with postgres.server() as variables:
        place = Installation(tmp_path, epochs=2)
        shutil.copy(ROOT / "orchestration" / "deploy" / "dagster.postgres.yaml", tmp_path / "dagster.yaml")
        place.environment |= variables
        settings = place.categories["alpha"]["settings"]
        (tmp_path / "data" / "raw").mkdir(parents=True)
        write_pairs(tmp_path / "data" / "raw")
        beta = {"source": "tiny.csv", "format": "pairs", "settings": settings}
        place.write_categories(place.categories | {"beta": beta})
        runs = {category: place.start("*embeddings/skipgram", category) for category in ("alpha", "beta")}
        try:
            for category, run in runs.items():
                assert run.wait(180) == 0, (category, (tmp_path / "run.log").read_text()[-3000:])
        finally:
            for run in runs.values():
                kill_all(run)
        for category in runs:
            assert place.store.read("embeddings/skipgram", category).center.shape[1] == 16
        with environ(variables), shipped_instance(tmp_path) as instance:
            assert "postgres" in type(instance.run_storage).__module__
            key = dg.AssetKey(["embeddings", "skipgram"])
            assert instance.get_materialized_partitions(key) == {"alpha", "beta"}
            times = [(r.start_time, r.end_time) for r in instance.get_run_records()]
            assert len(times) == 2 and max(start for start, _ in times) < min(end for _, end in times)
            assert instance.event_log_storage.get_concurrency_run_ids() == set()
