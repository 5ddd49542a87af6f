"""The API's endpoints: answers, rules by query, caches, the token, limits, and errors as sentences."""

import json
import re
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core.recommendations import Recommendations
from core.recommendations.served import ASSET
from core.serving.prepared import prepare
from core.serving.versions import Versions
from core.store import Store
from orchestration.web.api import queries
from orchestration.web.api.app import create, refresh
from orchestration.web.api.forms import Answer
from tests.core.serving.shops import lists_of, table

SECRET = "correct-horse-battery"
ODD = ["a/b", "50%", "ü ", "..", "a?b#c", "goes-with", "x/similar", "\n", "+", '"quoted"', "猫", "a%2Fb"]
PRODUCTS = [
    {"product_id": "A", "title": "Round brush", "brand": "Acme", "price": 10.0, "categories": ["Brushes"]},
    {"product_id": "B", "title": "Flat brush", "brand": "acme", "price": 12.5, "categories": ["Brushes", "Sale"]},
    {"product_id": "C", "title": "Comb", "brand": "Bo", "price": 30.0, "categories": ["Combs"]},
    {"product_id": "D"},
    *({"product_id": name, "title": f"<b>{name}</b>"} for name in ODD),
]
LISTS = {"A": ["B", "C", "D"], "B": ["A", ("D", "popular")], "C": ["A"], **{name: ["A"] for name in ODD}}
BASE = "http://localhost"


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    store = Store(folder / "store")
    store.write(ASSET, "shoes", lists_of(table(PRODUCTS), LISTS, similar={"A": ["B"]}))
    return Versions(store, folder / "serving", prepare)


@pytest.fixture(scope="module")
def client(versions):
    with TestClient(create(versions), BASE) as client:
        yield client


def get(client, product, query="", slot="goes-with", **options):
    return client.get(f"/v1/shoes/products/{quote(product, safe='')}/{slot}{query}", **options)


def products(response):
    assert response.status_code == 200, response.text
    msgspec.convert(response.json(), Answer)  # it is what /openapi.json says
    return [entry["product"] for entry in response.json()["items"]]


def failed(response, status, code, sentence):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert re.search(sentence, error["message"]) and error["message"].endswith(".")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


def test_a_stored_list(client, versions):
    answer = get(client, "B").json()
    assert answer == {
        "category": "shoes",
        "version": versions.get("shoes").version,
        "slot": "goes-with",
        "asked": {"product": "B", "title": "Flat brush", "brand": "acme"},
        "items": [
            {"rank": 1, "product": "A", "title": "Round brush", "brand": "Acme", "score": 1.0, "source": "model"},
            {"rank": 2, "product": "D", "score": None, "source": "popular"},
        ],
    }
    assert products(get(client, "A", slot="similar")) == ["B"]


def test_what_was_bought_together(tmp_path):
    lists = lists_of(table(PRODUCTS), LISTS, similar={"A": ["C"]})
    renamed = [
        {"bought_together": arrays["similar"], "goes_with": arrays["goes_with"]}
        for arrays in (lists.neighbours, lists.scores, lists.sources)
    ]
    store = Store(tmp_path / "store")
    store.write(ASSET, "shoes", Recommendations(lists.products, *renamed))
    with TestClient(create(Versions(store, tmp_path / "serving", prepare)), BASE) as client:
        assert products(get(client, "A", slot="bought-together")) == ["C"]
        basket = client.post("/v1/shoes/basket?slot=bought-together&k=1", json={"products": ["A"]})
        assert products(basket) == ["C"] and basket.json()["slot"] == "bought-together"
        failed(get(client, "A", slot="similar"), 404, "unknown_slot", "it has goes-with, bought-together")


@pytest.mark.parametrize("product", ODD)
def test_odd_ids(client, product):
    if product not in ("..", "a%2Fb"):  # the test client takes out the one and decodes the other twice; see test_server
        assert products(get(client, product)) == ["A"]
        assert get(client, product).json()["asked"]["product"] == product
    assert products(client.post("/v1/shoes/basket", json={"products": [product]})) == ["A", "D", "B", "C"]


def test_a_slash_may_stand_as_it_is(client):
    assert products(client.get("/v1/shoes/products/a/b/goes-with")) == ["A"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(product=st.text(max_size=12).filter(lambda text: text not in {row["product_id"] for row in PRODUCTS}))
@example("A\n")
@example("a/B")
@example("%2")
def test_unknown_ids(client, product):
    try:
        response = get(client, product)
    except UnicodeEncodeError:  # half of a surrogate pair cannot be sent in a path
        return
    assert response.status_code == 404
    assert response.json()["error"]["code"] in ("unknown_product", "unknown_path")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?k=1", ["B"]),
        ("?exclude=B&exclude=nothing", ["C", "D"]),
        ("?brands=ACME", ["B"]),
        ("?brands=bo&brands=Acme", ["B", "C"]),
        ("?not_brands=acme", ["C", "D"]),
        ("?categories=Combs&categories=Sale", ["B", "C"]),
        ("?not_categories=Sale", ["C", "D"]),
        ("?price_from=12.5&price_to=30", ["B", "C"]),
        ("?price_ratio_to=1.25", ["B"]),
        ("?price_ratio_from=2", ["C"]),
        ("?max_per_brand=1&k=2", ["B", "C"]),
        ("?brands=nobody", []),
    ],
)
def test_rules_by_query(client, query, expected):
    assert products(get(client, "A", query)) == expected


def test_a_basket(client):
    response = client.post("/v1/shoes/basket?k=3", json={"products": ["A", "B", "nothing", "A"]})
    assert products(response) == ["C", "D"]
    assert response.json()["unknown"] == ["nothing"]
    assert [entry.get("because") for entry in response.json()["items"]] == ["A", "A"]
    assert response.headers["cache-control"] == "no-store"
    similar = client.post("/v1/shoes/basket?slot=similar&k=1", json={"products": ["A"]})
    assert products(similar) == ["B"] and similar.json()["slot"] == "similar"
    failed(client.post("/v1/shoes/basket", json={"products": ["no"]}), 404, "unknown_product", "no product 'no'")


def test_a_customer(client):
    events = [{"product": "A", "time": 20}, {"product": "C", "time": 10}, {"product": "gone", "time": 30}]
    timed = client.post("/v1/shoes/customer?k=2", json={"events": events})
    assert products(timed) == ["B", "D"] and timed.json()["unknown"] == ["gone"]
    assert timed.json()["items"][0]["because"] == "A"
    in_order = client.post("/v1/shoes/customer?k=2", json={"events": [{"product": "C"}, {"product": "A"}]})
    assert in_order.json()["items"] == timed.json()["items"]
    assert products(client.post("/v1/shoes/customer?k=1", json={"events": []})) == ["A"]  # the most popular one
    mixed = client.post("/v1/shoes/customer", json={"events": [{"product": "A", "time": 1}, {"product": "B"}]})
    failed(mixed, 422, "invalid_body", "Either all events have a time")


def test_a_new_product(client):
    body = {"brand": "ACME", "categories": ["Brushes"], "title": "Oval brush", "price": 11}
    response = client.post("/v1/shoes/new-product?k=2&price_ratio_to=1.5", json=body)
    assert products(response) == ["B", "A"]  # the first partner of A, which is more alike than B
    assert {entry["source"] for entry in response.json()["items"]} == {"content"}
    assert products(client.post("/v1/shoes/new-product?k=1", json={})) == ["A"]


@pytest.mark.parametrize(
    ("path", "status", "code", "sentence"),
    [
        ("/v1/hats/products/A/goes-with", 404, "unknown_category", "no lists of a category 'hats'"),
        ("/v1/shoes/products/Z/goes-with", 404, "unknown_product", "no product 'Z' in shoes"),
        ("/v1/shoes/products/A/bought-together", 404, "unknown_slot", "it has goes-with, similar"),
        ("/v1/shoes/products/A/other", 404, "unknown_path", "openapi.json"),
        ("/v1/shoes/products/A/goes-with/", 404, "unknown_path", "openapi.json"),
        ("/v1/shoes/products//goes-with", 404, "unknown_path", "openapi.json"),
        ("/v1/shoes/basket", 405, "method_not_allowed", "GET is not possible here; use POST"),
    ],
)
def test_paths_that_lead_nowhere(client, path, status, code, sentence):
    failed(client.get(path), status, code, sentence)


def test_other_methods(client):
    for method in ("POST", "PUT", "DELETE"):
        response = client.request(method, "/v1/shoes/products/A/goes-with")
        failed(response, 405, "method_not_allowed", f"{method} is not possible here; use GET, HEAD|HEAD, GET")
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("query", "code", "sentence"),
    [
        ("k=0", "invalid_query", "k must be a whole number of at least 1"),
        ("k=-1", "invalid_query", "not '-1'"),
        ("k=101", "invalid_query", "k may be at most 100, not 101"),
        ("k=1e1", "invalid_query", "k must be a whole number"),
        ("k=٣", "invalid_query", "k must be a whole number"),
        ("k=", "invalid_query", "k must be a whole number"),
        ("k=1&k=2", "invalid_query", "k may stand only once"),
        ("price_to=nan", "invalid_query", "price_to must be a number such as 12.50"),
        ("price_from=2&price_to=1", "invalid_query", "price_from is larger than price_to"),
        ("max_per_brand=x", "invalid_query", "max_per_brand must be a whole number"),
        ("brands=%20", "invalid_query", "brands has an empty value"),
        ("brand=Acme", "unknown_parameter", "no parameter 'brand'; there are k, "),
        ("slot=similar", "unknown_parameter", "no parameter 'slot'"),
        ("brands=%ff", "invalid_query", "must be UTF-8"),
        ("&".join(f"exclude={i}" for i in range(201)), "invalid_query", "exclude may have at most 200 values"),
        ("exclude=" + "x" * 40_000, "invalid_query", "may have at most 32,768 bytes"),
    ],
)
def test_queries_that_cannot_be_answered(client, query, code, sentence):
    failed(get(client, "A", f"?{query}"), 422, code, sentence)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["k", "exclude", "brands", "price_to", "price_ratio_from", "slot", "x"]),
            st.one_of(st.integers(-5, 200).map(str), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
        ),
        max_size=4,
    )
)
def test_any_query_gets_a_list_or_a_sentence(client, pairs):
    response = get(client, "A", "?" + urlencode(pairs))
    if response.status_code != 200:
        failed(response, 422, response.json()["error"]["code"], "[a-z]")
    else:
        assert all(name in (*queries.LISTS, *queries.SINGLE) and name != "slot" for name, _ in pairs)


@pytest.mark.parametrize(
    ("endpoint", "body", "sentence"),
    [
        ("basket", b"", "The body must be JSON"),
        ("basket", b"{", "The body must be JSON"),
        ("basket", b'"\xff"', "The body must be JSON|does not fit"),
        ("basket", b"[" * 100_000, "The body must be JSON|does not fit"),
        ("basket", b"[]", "does not fit: Expected `object`"),
        ("basket", b'{"products":[]}', "length >= 1"),
        ("basket", b'{"products":[""]}', "length >= 1"),
        ("basket", b'{"products":["A"],"k":3}', "unknown field `k`"),
        ("basket", json.dumps({"products": ["A"] * 101}).encode(), "length <= 100"),
        ("customer", json.dumps({"events": [{"product": "A"}] * 1001}).encode(), "length <= 1000"),
        ("customer", b'{"events":[{"product":"A","time":"now"}]}', r"\$.events\[0\].time"),
        ("new-product", b'{"price":-1}', ">= 0"),
    ],
)
def test_bodies_that_cannot_be_read(client, endpoint, body, sentence):
    failed(client.post(f"/v1/shoes/{endpoint}", content=body), 422, "invalid_body", sentence)


def test_half_a_surrogate_pair_in_a_body(client):
    response = client.post("/v1/shoes/basket", content=b'{"products":["\\ud800"]}')
    assert response.status_code in (404, 422)


def test_large_bodies(client):
    def parts():
        for _ in range(5):
            yield b" " * 60_000

    for body in (b" " * 300_000, parts()):  # with its length, and without
        failed(client.post("/v1/shoes/basket", content=body), 413, "body_too_large", "at most 262,144 bytes")


def test_caches_ask_by_version(versions):
    folder = versions._store
    with TestClient(create(versions), BASE) as client:
        first = get(client, "A")
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "public, max-age=60"
        for header in (tag, f'"other", W/{tag}', "*"):
            same = get(client, "A", headers={"If-None-Match": header})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert get(client, "A", headers={"If-None-Match": '"other"'}).status_code == 200
        assert get(client, "Z", headers={"If-None-Match": tag}).status_code == 404
        assert get(client, "A", "?k=0", headers={"If-None-Match": tag}).status_code == 422
        folder.write(ASSET, "shoes", lists_of(table(PRODUCTS), LISTS, similar={"A": ["B"]}))
        refresh(versions)
        again = get(client, "A", headers={"If-None-Match": tag})
        assert again.status_code == 200 and again.headers["etag"] != tag


def test_head_is_get_without_a_body(client):
    whole = get(client, "A")
    head = client.head("/v1/shoes/products/A/goes-with")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
    assert head.headers["etag"] == whole.headers["etag"]


def test_the_token(versions):
    with TestClient(create(versions, SECRET), "http://shop.example") as client:
        for header in ("", SECRET, f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Basic {SECRET}", "Bearer ü"):
            for path in ("/v1/shoes/products/A/goes-with", "/metrics", "/nothing", "/openapi.json", "/health/"):
                response = client.get(path, headers={"Authorization": header.encode()})
                failed(response, 401, "unauthorized", "Authorization: Bearer")
                assert response.headers["www-authenticate"] == "Bearer"
                assert SECRET not in response.text
        welcome = {"Authorization": f"Bearer {SECRET}"}
        answer = get(client, "A", headers=welcome)
        assert answer.status_code == 200 and answer.headers["cache-control"] == "private, max-age=60"
        assert client.get("/health").json() == {"status": "ok"}
        assert list(client.get("/health", headers=welcome).json()["versions"]) == ["shoes"]
        assert client.get("/health", headers={"Authorization": "Bearer guess"}).json() == {"status": "ok"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:80", "api.example"])
def test_names_of_this_machine(versions, host):
    with TestClient(create(versions, None, ["api.example"]), f"http://{host}") as client:
        assert get(client, "A").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b"])
def test_foreign_names_are_refused_without_a_token(client, host):
    failed(get(client, "A", headers={"Host": host}), 403, "wrong_host", "ALSOBOUGHT_HOSTS")


def test_health_before_there_are_lists(tmp_path):
    empty = Versions(Store(tmp_path / "store"), tmp_path / "serving", prepare)
    with TestClient(create(empty), BASE) as client:
        response = client.get("/health")
        assert (response.status_code, response.json()["status"]) == (503, "there are no lists yet")
        failed(get(client, "A"), 404, "unknown_category", "no lists of a category 'shoes'")


def test_metrics_count_requests(client):
    def counted():
        text = client.get("/metrics").text
        found = re.findall(r'^alsobought_api_requests_total\{endpoint="similar",status="(\d+)"\} (\S+)', text, re.M)
        assert "alsobought_api_lists_created_timestamp_seconds" in text
        return {status: float(value) for status, value in found}

    before = counted()
    get(client, "A", slot="similar"), get(client, "Z", slot="similar")
    after = counted()
    assert after["200"] == before.get("200", 0) + 1 and after["404"] == before.get("404", 0) + 1


def test_the_description_names_every_endpoint(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    routes = {route.path.replace("{product:product}", "{id}") for route in client.app.routes}
    assert set(document["paths"]) == routes - {"/", "/openapi.json"}
    references = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))
    assert references and set(references) <= set(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            where = path.replace("{category}", "shoes").replace("{id}", "A")
            response = client.request(method, where, json=body)
            assert str(response.status_code) in operation["responses"], where
            named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
            if named:
                expected = {*queries.LISTS, *queries.SINGLE} - ({"slot"} if method == "get" else set())
                assert named == expected


def test_the_page_needs_nothing_from_elsewhere(client):
    page = client.get("/")
    assert page.status_code == 200 and "/v1/{category}/basket" in page.text
    assert "<script" not in page.text and not re.findall(r"(?:src|href)=\"(?!/)", page.text)
    assert page.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_failure_is_a_sentence(versions, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("core.serving.answers.of_product", fails)
    with TestClient(create(versions), BASE, raise_server_exceptions=False) as client:
        response = get(client, "A")
        failed(response, 500, "internal_error", "its log says why")
        assert "secret" not in response.text
