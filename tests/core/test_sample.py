"""The synthetic catalogue: repeatable, of the right shape, and with something in it to learn."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg
from sklearn.metrics import roc_auc_score

from core.catalog import PRODUCTS, QUARANTINE, RELATIONSHIPS
from core.errors import InputError
from core.sample import METADATA_SHARE, sample_catalog

N = 3000


@pytest.fixture(scope="module")
def catalog():
    return sample_catalog(N, 10.0, 1)


def nodes(catalog):
    """Node numbers of both ends of every listing."""
    return tuple(catalog.relationships[c].combine_chunks().indices.to_numpy() for c in ("product1", "product2"))


def pairs(catalog):
    """Distinct undirected pairs [m, 2]."""
    a, b = nodes(catalog)
    return np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)], 1), axis=0)


def test_tables_have_the_agreed_schemas(catalog):
    assert catalog.products.schema == PRODUCTS
    assert catalog.relationships.schema == RELATIONSHIPS
    assert catalog.quarantine.schema == QUARANTINE
    assert catalog.quarantine.num_rows == 0
    catalog.products.validate(full=True)
    catalog.relationships.validate(full=True)
    assert json.loads(json.dumps(catalog.info)) == catalog.info


def test_the_same_arguments_give_the_same_catalogue(catalog):
    again = sample_catalog(N, 10.0, 1)
    assert again.products.equals(catalog.products)
    assert again.relationships.equals(catalog.relationships)
    assert again.info["fingerprint"] == catalog.info["fingerprint"]
    other = sample_catalog(N, 10.0, 2)
    assert not other.relationships.equals(catalog.relationships)
    assert other.info["fingerprint"] != catalog.info["fingerprint"]


@pytest.mark.parametrize(("products", "per_product"), [(50, 3.0), (400, 5.0), (N, 10.0), (20_000, 13.25)])
def test_size_is_as_asked(products, per_product):
    catalog = sample_catalog(products, per_product)
    assert len(pairs(catalog)) == pytest.approx(products * per_product, rel=0.06)
    assert len(np.unique(np.concatenate(nodes(catalog)))) == products
    assert catalog.products.num_rows == round(products * METADATA_SHARE)


def test_listings_are_distinct_and_never_of_the_product_itself(catalog):
    rows = list(zip(*(catalog.relationships[c].to_pylist() for c in RELATIONSHIPS.names[:3]), strict=True))
    assert len(set(rows)) == len(rows)
    assert all(a != b for a, b, _ in rows)
    assert {kind for _, _, kind in rows} == {"also_bought", "also_viewed", "bought_together"}


def test_most_products_are_only_known_from_lists(catalog):
    owners, listed = (set(catalog.relationships[c].to_pylist()) for c in ("product1", "product2"))
    described = set(catalog.products["product_id"].to_pylist())
    assert owners <= described
    assert len(owners) / len(described) == pytest.approx(0.9, abs=0.05)
    assert len(listed - described) / N == pytest.approx(1 - METADATA_SHARE, abs=0.05)


def test_lists_are_of_believable_length(catalog):
    kind = catalog.relationships["relationship"].to_pylist()
    owner = catalog.relationships["product1"].to_pylist()
    bought = np.unique([o for o, k in zip(owner, kind, strict=True) if k == "also_bought"], return_counts=True)[1]
    assert 10 < np.median(bought) < 30
    assert np.percentile(bought, 95) < 45


def test_degrees_are_skewed(catalog):
    degree = np.sort(np.bincount(pairs(catalog).ravel(), minlength=N))[::-1]
    assert degree[-1] >= 1
    assert np.median(degree) < 0.6 * degree.mean()
    assert degree[: N // 100].sum() > 0.05 * degree.sum()  # the top percent has far more than its share
    assert degree[0] < N / 2


def test_metadata_is_believable_and_partly_missing(catalog):
    products = catalog.products
    share = {c: products[c].null_count / products.num_rows for c in PRODUCTS.names}
    assert share["product_id"] == share["categories"] == 0
    assert share["title"] == pytest.approx(0.03, abs=0.02)
    assert share["brand"] == pytest.approx(0.2, abs=0.05)
    assert share["price"] == pytest.approx(0.25, abs=0.05)
    assert share["sales_rank"] == pytest.approx(0.12, abs=0.04)
    rows = products.to_pylist()
    for row in rows:
        assert len(row["categories"]) == 2
        assert row["price"] is None or row["price"] >= 1.9
        if row["title"] and row["brand"]:
            assert row["title"].startswith(row["brand"] + " ")
        assert "<" not in (row["title"] or "")
        assert "&" not in (row["title"] or "")
    median = {
        name: np.median([r["price"] for r in rows if r["price"] and r["categories"][-1] == name])
        for name in ("Lenses", "Shampoo")
    }
    assert median["Lenses"] > 5 * median["Shampoo"]
    ranks = [r["sales_rank"] for r in rows if r["sales_rank"] and r["categories"][0] == "Beauty"]
    assert len(set(ranks)) == len(ranks)
    assert min(ranks) <= 5


def test_popular_products_sell_better(catalog):
    ids = [f"SMP{i:07d}" for i in range(N)]
    degree = dict(zip(ids, np.bincount(pairs(catalog).ravel(), minlength=N), strict=True))
    rows = [r for r in catalog.products.to_pylist() if r["sales_rank"]]
    top = [degree[r["product_id"]] for r in rows if r["sales_rank"] <= 10]
    rest = [degree[r["product_id"]] for r in rows if r["sales_rank"] > 60]
    assert np.mean(top) > 2 * np.mean(rest)


def degree_matched(positive, degree, rng):
    """As many pairs of which each product is drawn in proportion to its degree, none of them a pair."""
    known = {tuple(pair) for pair in positive}
    draws = rng.choice(len(degree), (len(positive) * 2, 2), p=degree / degree.sum())
    negative = [(a, b) for a, b in np.sort(draws, 1) if a != b and (a, b) not in known]
    return np.array(negative[: len(positive)])


def test_structure_beats_popularity_on_degree_matched_negatives(catalog):
    rng = np.random.default_rng(0)
    every = pairs(catalog)
    held_out = rng.random(len(every)) < 1 / 3
    train, test = every[~held_out], every[held_out]
    degree = np.bincount(train.ravel(), minlength=N).astype(float)
    negative = degree_matched(every, np.bincount(every.ravel(), minlength=N).astype(float), rng)[: len(test)]
    scored = np.concatenate([test, negative])
    label = np.r_[np.ones(len(test)), np.zeros(len(negative))]
    adjacency = sp.coo_matrix((np.ones(len(train)), train.T), shape=(N, N)).tocsr()
    scale = sp.diags(1 / np.sqrt(np.maximum(degree, 1)))
    left, values, right = scipy.sparse.linalg.svds(scale @ (adjacency + adjacency.T) @ scale, k=64, rng=rng)
    vectors = left * values
    similarity = np.einsum("ij,ij->i", vectors[scored[:, 0]], right.T[scored[:, 1]])
    popularity = degree[scored[:, 0]] * degree[scored[:, 1]]
    assert roc_auc_score(label, similarity) > 0.85
    assert 0.35 < roc_auc_score(label, popularity) < 0.65


def test_listing_is_more_often_mutual_than_chance(catalog):
    a, b = nodes(catalog)
    owners = np.zeros(N, bool)
    owners[a] = True
    inside = owners[b]
    listed = {(x, y) for x, y in zip(a[inside], b[inside], strict=True)}
    mutual = np.mean([(y, x) in listed for x, y in listed])
    density = len(listed) / owners.sum() ** 2
    assert mutual > 5 * density


def test_brand_and_category_say_who_is_related(catalog):
    rows = {r["product_id"]: r for r in catalog.products.to_pylist() if r["brand"]}
    ids = catalog.relationships["product1"].combine_chunks().dictionary.to_pylist()
    both = [(rows[ids[a]], rows[ids[b]]) for a, b in pairs(catalog) if ids[a] in rows and ids[b] in rows]
    order = np.random.default_rng(0).permutation(len(both))
    shuffled = [(both[i][0], both[j][1]) for i, j in enumerate(order)]

    def share(couples, same):
        return np.mean([same(x, y) for x, y in couples])

    for same in (
        lambda x, y: x["brand"] == y["brand"],
        lambda x, y: x["categories"][0] == y["categories"][0],
        lambda x, y: x["categories"] == y["categories"],
    ):
        assert share(both, same) > 3 * share(shuffled, same)


def test_complements_are_bought_and_substitutes_viewed(catalog):
    category = {r["product_id"]: r["categories"] for r in catalog.products.to_pylist()}
    same = {"also_bought": [], "also_viewed": [], "bought_together": []}
    for row in catalog.relationships.to_pylist():
        if row["product2"] in category:
            same[row["relationship"]].append(category[row["product1"]] == category[row["product2"]])
    assert np.mean(same["also_viewed"]) > 0.6
    assert np.mean(same["also_bought"]) < 0.3
    assert np.mean(same["bought_together"]) == 0


def test_progress_reaches_the_total():
    calls = []
    sample_catalog(500, 5.0, 1, lambda *call: calls.append(call))
    assert calls[-1][0] == "sample"
    assert calls[-1][1] == calls[-1][2] > 2000


@pytest.mark.parametrize(
    "options", [{"products": 49}, {"pairs_per_product": 0.0}, {"products": 60, "pairs_per_product": 16.0}]
)
def test_impossible_sizes_are_refused(options):
    with pytest.raises(InputError, match=r"sample\."):
        sample_catalog(**options)
