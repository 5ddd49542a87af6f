"""Every example of the page "From lists to a shop" runs against real servers and folders."""

import json
import shutil
import subprocess
import sys

import numpy as np
import psycopg
import pytest

from core.categories import load_categories
from core.delivery import redis as redis_place
from core.interfaces import TrainedModel
from core.recommendations import FinalModels
from tests.conftest import ROOT
from tests.core.delivery import shop
from tests.core.delivery.test_vectors import send
from tests.test_docs import blocks

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "delivery.md"
LISTS = shop.lists("", ids=["A", "B", "C", "D", "E/é", "<F>"])
GOES_WITH_A = shop.by_list(LISTS)["goes_with", "A"]


def example(language, text):
    """The one block of a language that holds a text."""
    [block] = [block for block in blocks(PAGE, language) if text in block]
    return block


def run(program, *arguments):
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def database(postgresql_url, monkeypatch):
    monkeypatch.setenv("SHOP_DATABASE", postgresql_url)
    shop.send(shop.place(postgresql={"url_env": "SHOP_DATABASE"}), LISTS)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE products (id text PRIMARY KEY, title text)")
        for product in LISTS.products["product_id"].to_pylist():
            connection.execute("INSERT INTO products VALUES (%s, %s)", (product, f"Title of {product}"))
        yield connection


def test_the_statement_joins_a_list_with_the_shops_table(database):
    rows = database.execute(example("sql", "JOIN")).fetchall()
    assert rows == [(product, f"Title of {product}") for product in GOES_WITH_A]


def test_the_shops_account_needs_only_the_view(database, postgresql_url):
    database.execute("DROP ROLE IF EXISTS shop")
    database.execute("CREATE ROLE shop LOGIN")
    database.execute("GRANT SELECT ON products TO shop")
    database.execute(example("sql", "GRANT"))
    try:
        with psycopg.connect(postgresql_url, user="shop") as connection:
            assert len(connection.execute(example("sql", "JOIN")).fetchall()) == len(GOES_WITH_A)
            connection.commit()
            shop.send(shop.place(postgresql={"url_env": "SHOP_DATABASE"}), shop.lists("x"))  # rights stay
            assert connection.execute("SELECT count(*) FROM recommendations").fetchone() == (shop.lists("x").rows,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM recommendations_lists")
    finally:
        database.execute("DROP OWNED BY shop")
        database.execute("DROP ROLE shop")


def test_the_template_shows_the_list(database):
    space = {"__name__": "shop"}
    exec(example("python", "flask"), space)
    page = space["app"].test_client().get("/product/A").text
    positions = [page.index(f'<a href="/product/{escaped(product)}">') for product in GOES_WITH_A]
    assert positions == sorted(positions) and page.count("<li>") == len(GOES_WITH_A)


def escaped(text):
    return text.replace("<", "&lt;").replace(">", "&gt;")


def test_the_two_commands_and_the_script_read_from_redis(redis_url, monkeypatch):
    own = redis_url.removesuffix("/0") + "/15"
    monkeypatch.setenv("SHOP_REDIS", own)
    shop.send(shop.place(redis={"url_env": "SHOP_REDIS"}), LISTS)
    assert redis_place.READ in example("python", "register_script")
    assert json.loads(run(example("python", "register_script")).replace("'", '"')) == GOES_WITH_A
    if not shutil.which("redis-cli"):
        pytest.skip("redis-cli is missing (Debian: apt-get install redis-tools)")
    command = ["bash", "-euc", example("sh", "redis-cli")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == GOES_WITH_A


def test_a_static_site_is_made_from_json_lines(tmp_path):
    shop.send(shop.place(files={"url": str(tmp_path / "lists")}), LISTS)
    line = json.loads(example("json", "neighbours"))
    [version] = (tmp_path / "lists" / "shoes").glob("2*")
    first = json.loads((version / "recommendations.jsonl").read_text().splitlines()[0])
    assert list(line) == list(first)
    assert all(f"`{key}`" in PAGE.read_text() for key in json.loads((version.parent / "current.json").read_text())
               if key != "digest")  # fmt: skip
    run(example("python", "site ="), tmp_path / "lists" / "shoes", tmp_path / "site")
    made = {path.parent.name: set() for path in (tmp_path / "site").glob("*/*.html")}
    for path in (tmp_path / "site").glob("*/*.html"):
        made[path.parent.name].add(path.stem)
    names = {"E/é": "E%2F%C3%A9", "<F>": "%3CF%3E"}
    expected = {"goes_with": set(), "similar": set()}
    for slot, product in shop.by_list(LISTS):
        expected[slot].add(names.get(product, product))
    assert made == expected
    page = (tmp_path / "site" / "goes_with" / "A.html").read_text()
    assert [page.index(f'"{names.get(p, p)}.html"') for p in GOES_WITH_A] == sorted(
        page.index(f'"{names.get(p, p)}.html"') for p in GOES_WITH_A
    )
    assert "<F>" not in page


def test_vectors_are_loaded_with_their_ids(tmp_path):
    vectors = np.ones((6, 3), np.float32)
    send(tmp_path, LISTS, FinalModels({"skipgram": TrainedModel("skipgram", np.ones(6, bool), vectors)}))
    assert run(example("python", "ids ="), tmp_path / "shoes") == "skipgram.center.npy 6 (6, 3)\n"


def test_the_example_names_every_place(tmp_path):
    file = tmp_path / "categories.yaml"
    file.write_text(example("yaml", "publish"))
    found = load_categories(file)["shoes"].publish
    assert list(found) == ["api", "files", "vectors", "postgresql", "redis"]
    for config in found.values():
        for setting in config.__dataclass_fields__:
            assert f"`{setting}`" in PAGE.read_text()
