"""Assets that deliver lists, and `alsobought publish`, with real servers."""

import contextlib
import dataclasses
import json
import subprocess
import sys

import dagster as dg
import psycopg
import pytest
import redis
from upath import UPath

from core.changes import FRESH, states
from core.delivery.config import parse_publish
from core.stages import expected
from core.store import Store
from orchestration import cli
from orchestration.partitions import CATEGORIES
from tests.conftest import ROOT
from tests.core.delivery import shop
from tests.core.delivery.test_vectors import models
from tests.pipeline import local_instance, run

pytestmark = pytest.mark.slow
SECRET = "Zq7SECRETx"
EVERYWHERE = {
    "vectors": True,
    "postgresql": {"url_env": "TEST_POSTGRESQL", "table": "published"},
    "redis": {"url_env": "TEST_REDIS", "prefix": "published"},
}


@pytest.fixture
def installation(tmp_path, postgresql_url, redis_url, monkeypatch):
    """A folder with lists of the category beta in its store; the servers hold nothing of it."""
    monkeypatch.setenv("TEST_POSTGRESQL", postgresql_url)
    monkeypatch.setenv("TEST_REDIS", redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    monkeypatch.setitem(
        CATEGORIES, "beta", dataclasses.replace(CATEGORIES["beta"], publish=parse_publish("publish", EVERYWHERE))
    )
    (tmp_path / "dagster").mkdir()
    store = Store(tmp_path / "store")
    make(store, "a")
    return store


def make(store, marker):
    """Store lists as a rebuild would."""
    final = store.write("final_models", "beta", models(6), {"inputs": {}})
    info = {"inputs": {"final_models": final.digest}}
    return store.write("recommendations", "beta", shop.lists(marker), info)


def readers(store, connection, client):
    """Place → the lists that its readers see."""
    folder = UPath(store.root).parent / "data" / "lists" / "beta"
    version = json.loads((folder / "current.json").read_text())["version"]
    lines = [json.loads(line) for line in (folder / version / "recommendations.jsonl").read_text().splitlines()]
    by_rank = "SELECT slot, product, array_agg(neighbour ORDER BY rank) FROM published GROUP BY slot, product"
    number = client.get("published:{beta}:current")
    return {
        "api": shop.by_list(store.read("published/api", "beta")),
        "files": {(line["slot"], line["product"]): line["neighbours"] for line in lines},
        "postgresql": {(slot, product): ids for slot, product, ids in connection.execute(by_rank).fetchall()},
        "redis": {
            (slot, product): json.loads(ids)
            for slot in ("goes_with", "similar")
            for product, ids in client.hgetall(f"published:{{beta}}:{number}:{slot}").items()
        },
    }


@pytest.fixture
def read(installation, postgresql_url, redis_url):
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(postgresql_url, autocommit=True))
        client = stack.enter_context(redis.Redis.from_url(redis_url, decode_responses=True))
        yield lambda: readers(installation, connection, client)


def publish_all(store, instance, *places):
    keys = [dg.AssetKey(["published", place]) for place in places or CATEGORIES["beta"].publish]
    return run(store.root, "beta", instance, asset_selection=keys)


def test_a_run_delivers_everywhere_and_what_is_delivered_is_up_to_date(installation, read, tmp_path):
    store = installation
    with local_instance(tmp_path / "dagster") as instance:
        result = publish_all(store, instance)
        assert result.success
        assert list(read().values()) == [shop.by_list(shop.lists("a"))] * 4
        checks = {e.event_specific_data.asset_key.path[1]: e.event_specific_data.passed for e in result.all_events
                  if e.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION}  # fmt: skip
        assert checks == dict.fromkeys(["files", "vectors", "postgresql", "redis"], True)
        receipts = {place: store.read(f"published/{place}", "beta") for place in checks}
        assert {place: receipt.rows for place, receipt in receipts.items()} == {
            "files": shop.lists("a").rows, "vectors": 10, "postgresql": shop.lists("a").rows,
            "redis": shop.lists("a").rows,
        }  # fmt: skip

        # A place that is down fails alone; the others have the new lists, and the old ones stay there.
        make(store, "b")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("TEST_REDIS", f"redis://:{SECRET}@127.0.0.1:1/0")
            result = publish_all(store, instance)
        failures = [event for event in result.all_events if event.is_step_failure]
        [failure] = failures
        said = str(failure.event_specific_data.error)
        assert "redis of beta: redis://127.0.0.1:1/0 cannot be used" in said and SECRET not in said
        old, new = shop.by_list(shop.lists("a")), shop.by_list(shop.lists("b"))
        assert read() == {"api": new, "files": new, "postgresql": new, "redis": old}
        assert SECRET not in str(list(instance.all_logs(result.run_id)))
        stored = json.dumps([store.manifest(asset, "beta").info for asset, _ in store.artefacts("beta")])
        assert SECRET not in stored


def test_published_assets_follow_lists_and_settings(installation, tmp_path):
    store = installation

    def stale():
        assets = [asset for asset in expected(CATEGORIES["beta"]) if asset.asset.startswith("published/")]
        lists = [asset for asset in expected(CATEGORIES["beta"]) if asset.asset == "recommendations"]
        found = states([*lists, *assets], lambda asset: store.manifest(asset, "beta"))
        return {one.asset.removeprefix("published/"): one.reason for one in found[1:] if one.reason}

    with local_instance(tmp_path / "dagster") as instance:
        assert publish_all(store, instance, "api", "files").success
        assert set(stale()) == {"vectors", "postgresql", "redis"}
        changed = parse_publish("publish", EVERYWHERE | {"files": {"formats": ["jsonl"]}})
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(CATEGORIES, "beta", dataclasses.replace(CATEGORIES["beta"], publish=changed))
            assert stale()["files"] == "settings changed: formats ['parquet', 'jsonl'] → ['jsonl']"
        make(store, "b")
        assert stale()["api"] == stale()["files"] == "recommendations changed since"


def test_a_place_that_the_category_does_not_name_gets_nothing(installation, tmp_path, monkeypatch):
    monkeypatch.setitem(CATEGORIES, "beta", dataclasses.replace(CATEGORIES["beta"], publish={}))
    places = ("api", "files", "vectors", "postgresql", "redis")
    with local_instance(tmp_path / "dagster") as instance:
        assert publish_all(installation, instance, *places).success
    assert {asset for asset, _ in installation.artefacts("beta")} == {"final_models", "recommendations"}


@pytest.fixture
def command(installation, tmp_path, monkeypatch, capsys):
    """Call the command in the installation; returns its status, what it printed and its errors."""
    (tmp_path / "categories.yaml").write_text(
        f"categories:\n  beta: {{source: sample, publish: {json.dumps(EVERYWHERE)}}}\n"
        "  nowhere: {source: sample, publish: false}\n"
    )
    for name, value in {
        "ALSOBOUGHT_HOME": tmp_path, "ALSOBOUGHT_STORE": tmp_path / "store",
        "ALSOBOUGHT_CATEGORIES": tmp_path / "categories.yaml", "DAGSTER_HOME": tmp_path,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))

    def call(*arguments):
        status = cli.main(["publish", *arguments])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return call


def test_publish_delivers_and_puts_back(installation, read, command):
    first, second = (shop.by_list(shop.lists(marker)) for marker in "ab")
    status, lines, _ = command("beta")
    assert status == 0, lines
    assert [line.partition(":")[0] for line in lines] == ["api", "files", "vectors", "postgresql", "redis"]
    assert list(read().values()) == [first] * 4
    status, lines, _ = command("beta", "--previous")
    assert status == 1 and len(lines) == 5 and all("FAILED" in line and "no previous version" in line for line in lines)

    make(installation, "b")
    assert command("beta")[0] == 0 and list(read().values()) == [second] * 4
    status, lines, _ = command("beta", "--previous")
    assert status == 0 and all("is current again" in line for line in lines), lines
    assert list(read().values()) == [first] * 4
    # What a person took back stays so: nothing is out of date until there are other lists.
    assets = [asset for asset in expected(CATEGORIES["beta"]) if asset.asset.startswith("published/")]
    stored = {asset.asset: installation.manifest(asset.asset, "beta") for asset in assets}
    assert {one.state for one in states(assets, stored.get)} == {FRESH}

    status, lines, _ = command("beta", "--place", "redis")
    assert status == 0 and len(lines) == 1
    assert read() == {"api": first, "files": first, "postgresql": first, "redis": second}


def test_publish_says_what_is_wrong_and_goes_on_elsewhere(installation, read, command, monkeypatch):
    monkeypatch.setenv("TEST_POSTGRESQL", f"postgresql://u:{SECRET}@127.0.0.1:1/x")
    status, lines, _ = command("beta")
    assert status == 1
    assert [line.partition(":")[0] for line in lines if "FAILED" in line] == ["postgresql"]
    assert SECRET not in str(lines)
    for arguments, sentence in (
        (["beta", "--place", "ftp"], "beta is not published to 'ftp' but to api, files, vectors, postgresql, redis"),
        (["nowhere"], "nowhere is not published anywhere"),
        (["bta"], "did you mean 'beta'?"),
    ):
        status, lines, errors = command(*arguments)
        assert status == 2 and lines == [] and sentence in errors
    newer = installation.write("final_models", "beta", models(6), {"inputs": {}, "products": "renumbered"})
    make_info = {"inputs": {"final_models": newer.digest}, "products": "as before"}
    installation.write("recommendations", "beta", shop.lists("a"), make_info)
    status, _, errors = command("beta", "--place", "vectors")
    assert status == 2 and "the final models and the lists were made from different products" in errors
    for file in installation.folder("recommendations", "beta").glob("*.json"):
        file.unlink()
    status, _, errors = command("beta")
    assert status == 2 and "there are no lists of beta yet" in errors


def test_the_way_back_needs_no_dagster():
    program = "import sys, orchestration.command.publish; print(*{'dagster', 'torch', 'psycopg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.split() == [], done.stdout + done.stderr
