"""The neighbours page over a hand-made store, in all its states, without a browser."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from core.graph.paths import GraphPaths
from core.scoring.neighbours import Neighbours
from core.store.artefacts import MANIFEST
from core.untrusted.markdown import plain
from tests import explorer_fixture as fixture
from tests.explorer_pages import LISTS, NEIGHBOURS, choose, component_data, list_rows, rerun, search, texts, trigger

IDS = fixture.products()["product_id"].to_pylist()


def stored(store, model, product, scoring, k=10):
    """The first neighbours of a product in the store."""
    rows = store.read(f"neighbours/{model}", fixture.CATEGORY).table.to_pylist()
    return [r["neighbour"] for r in rows if r["product"] == product and r["scoring"] == scoring][:k]


def partners(source, target, product):
    pairs = [(IDS[a], IDS[b]) for a, b in zip(source.tolist(), target.tolist(), strict=True)]
    return {a if b == product else b for a, b in pairs if product in (a, b)}


def ids(rows):
    return [row["id"] for row in rows]


def tags(row):
    return [tag["kind"] for tag in row["tags"]]


def labels(at):
    return [button.label for button in at.button]


# Finding a product


def test_the_first_product_is_the_most_popular(full, start):
    pairs = fixture.pairs()
    degree = np.bincount(np.r_[pairs.source, pairs.target], minlength=fixture.N)
    assert IDS[int(np.argmax(degree))] in [t.value for t in start(full).text]


def test_search_opens_a_product_and_puts_it_into_the_address(full, start):
    at = start(full)
    offered = search(at, "search", "ワイヤレス")
    assert [hit["id"] for hit in offered["hits"]] == [fixture.JAPANESE] and "1 product contains" in offered["note"]
    assert offered["hits"][0]["detail"].startswith("索尼 · Audio · ")
    choose(at, "search", fixture.JAPANESE)
    assert at.query_params["product"] == fixture.JAPANESE
    assert at.header[0].value == "ワイヤレスヘッドホン マイク付き"
    choose(at, "search", "<b>made up</b>")
    assert at.query_params["product"] == fixture.JAPANESE


def test_what_the_search_says_of_its_hits(full, start):
    at = start(full)
    (box,) = component_data(at, "search")
    assert len(box["hits"]) == 20 and box["note"].startswith("The most popular of 60 products")
    for query, said in {
        "no such thing": "No title, brand, category or id contains “no such thing”, not even with one typo.",
        "gadget 0077": "Nothing contains “gadget 0077”; 1 product is close to it.",
        "audio": "No title contains “audio”; 58 products are in the category Audio. The first 20 are listed.",
        "gad get 007": "1 product contains “gad get 007”.",
    }.items():
        assert search(at, "search", query)["note"] == said


@pytest.mark.parametrize("page", [NEIGHBOURS, LISTS])
def test_a_product_that_does_not_exist_offers_three_popular_ones(full, start, page):
    at = start(full, page, product="<b>gone</b>")
    assert "There is no product" in at.warning[0].value and "<b>" not in at.warning[0].value
    pairs = fixture.pairs()
    degree = np.bincount(np.r_[pairs.source, pairs.target], minlength=fixture.N)
    popular = [IDS[node] for node in np.argsort(-degree, kind="stable")[:3]]
    links = at.get("page_link")
    assert [link.proto.query_string for link in links] == [f"category=alpha&product={i}" for i in popular]
    assert {link.proto.page for link in links} == {"" if page == NEIGHBOURS else "lists"}
    assert component_data(at, "search" if page == NEIGHBOURS else "lists search") and not list_rows(at)


def test_other_addresses_that_lead_nowhere(full, start):
    at = start(full, category="nowhere")
    assert "does not exist" in at.warning[0].value and list_rows(at)
    assert list_rows(start(full, models="no_such_model", view="nothing", pairs="x"))
    at = start(full, why="nobody", basket=["nobody", fixture.WARM])
    assert list_rows(at) and "1 product of the basket in the address could not be found" in texts(at)


# The card


def test_hostile_titles_stay_text(full, start):
    at = start(full, product=fixture.SCRIPT, why=fixture.WARM, basket=fixture.SCRIPT)
    assert all(element.proto.body.startswith("<style>") for element in at.html)
    for kind in ("markdown", "caption", "header"):
        assert not any(element.proto.allow_html for element in at.get(kind) if hasattr(element.proto, "allow_html"))
    heading = at.header[0].value
    assert "<script>" not in heading and "\\<script\\>" in heading and "\\!\\[x\\]" in heading
    for kind in ("markdown", "caption", "header"):  # all that render Markdown
        assert not any("<script>" in element.value for element in at.get(kind))

    at = start(full, product=fixture.LONG)
    assert len(at.header[0].value) < 200
    assert fixture.TITLES[fixture.LONG] in [t.value for t in at.text]


def test_products_with_little_about_them(full, start):
    at = start(full, product=fixture.UNTITLED)
    assert at.header[0].value == fixture.UNTITLED
    at = start(full, product=fixture.LISTED)
    assert "Only listed by others" in texts(at)
    at = start(full, product=fixture.LONELY)
    assert "Not seen in training" in texts(at) and "has no list" in at.info[0].value
    assert not list_rows(at)


def test_a_cold_product_says_so(full, start):
    split = full.read("pair_split", fixture.CATEGORY)
    assert "Held out cold" in texts(start(full, product=IDS[int(split.cold[0])]))


def test_pictures_are_loaded_only_by_permission_and_never_from_the_server(full, start):
    at = start(full, product=fixture.PICTURED, images="true")
    assert not at.toggle(key="images").value and not at.get("image")
    at.toggle(key="images").set_value(True)
    rerun(at)
    (image,) = at.get("image")
    assert [picture.url for picture in image.proto.imgs] == [fixture.PICTURE]
    at.query_params["product"] = fixture.STOLEN
    rerun(at)
    assert at.toggle(key="images").value and not at.get("image")


# The lists


@pytest.mark.parametrize(
    ("view", "scoring"),
    [
        ("goes_with", "center_context"),
        ("similar", "center_center"),
        ("complements", "center_context"),  # in addresses of earlier versions
        ("substitutes", "center_center"),
        ("model's own", "center_context"),
    ],
)
def test_lists_are_those_of_the_store(full, start, view, scoring):
    models = ["gensim_word2vec", "skipgram"]
    at = start(full, product=fixture.WARM, models=models, view=view, pairs="all")
    for rows, model in zip(list_rows(at), models, strict=True):
        assert ids(rows) == stored(full, model, fixture.WARM, scoring) and len(rows) == 10
    (first, _) = component_data(at, "list ")
    asked = "Similar to" if scoring == "center_center" else "Goes with"
    assert first["label"] == f"{asked}: gensim_word2vec" and at.segmented_control(key="question choice").value == asked


def test_a_model_that_answers_one_question_says_so(full, start):
    at = start(full, product=fixture.WARM, models=["popularity", "skipgram"], view="similar")
    assert at.info[0].value == "This model only answers *Goes with*." and len(list_rows(at)) == 1


def test_another_question_is_answered_by_another_model_unless_somebody_chose_one(tmp_path, start):
    store = fixture.write(tmp_path)
    seen = np.ones(fixture.N, bool)
    store.write("neighbours/blend", "alpha", fixture.neighbours(("native",), seen))
    at = start(store, product=fixture.WARM)
    assert at.multiselect(key="models").value == ["blend"]
    for question, models in (("Similar to", ["skipgram"]), ("Goes with", ["blend"])):
        at.segmented_control(key="question choice").set_value(question)
        rerun(at)
        assert at.multiselect(key="models").value == models and len(list_rows(at)) == 1
    assert at.query_params["view"] in ("goes_with", ["goes_with"])
    at.multiselect(key="models").set_value(["blend", "popularity"])
    rerun(at)
    at.segmented_control(key="question choice").set_value("Similar to")
    rerun(at)
    assert at.multiselect(key="models").value == ["blend", "popularity"] and not list_rows(at)


def test_only_new_neighbours_are_shown_unless_all_are_asked_for(full, start):
    product = fixture.WARM
    split = full.read("pair_split", fixture.CATEGORY)
    train = partners(split.train.source, split.train.target, product)
    held_out = partners(split.validation.source, split.validation.target, product)
    whole = stored(full, "skipgram", product, "center_context", 20)
    new = [i for i in whole if i not in train]
    at = start(full, product=product, models="skipgram")
    (rows,) = list_rows(at)
    assert ids(rows) == new[:10] and [row["rank"] for row in rows] == [str(i) for i in range(1, len(rows) + 1)]
    left_out = len(whole) - len(new)
    assert left_out and f"{left_out} known pairs left out" in texts(at)

    at.segmented_control(key="pairs choice").set_value("All")
    at.segmented_control(key="length").set_value(20)
    rerun(at)
    assert at.query_params["pairs"] in ("all", ["all"])
    (rows,) = list_rows(at)
    assert ids(rows) == whole
    assert [tags(row) for row in rows] == [
        ["known"] if i in train else ["held-out"] if i in held_out else [] for i in whole
    ]
    assert {"known", "held-out"} <= {tag for row in rows for tag in tags(row)}


def test_rows_say_what_distinguishes_a_product_and_how_it_scores(full, start):
    at = start(full, product=fixture.WARM, models="skipgram", pairs="all", length="20")
    (rows,) = list_rows(at)
    scores = [
        row["score"]
        for row in full.read("neighbours/skipgram", "alpha").table.to_pylist()
        if (row["product"], row["scoring"]) == (fixture.WARM, "center_context")
    ]
    known = {product["product_id"]: product for product in fixture.products().to_pylist()}
    for row, score in zip(rows, scores, strict=True):
        product = known[row["id"]]
        assert row["name"] == " ".join((product["title"] or row["id"]).split())[:300]
        parts = [product["brand"], *product["categories"][-1:], row["id"] if product["title"] else None]
        assert row["detail"] == " · ".join(part for part in parts if part)
        assert float(row["score"]) == pytest.approx(score, rel=0.06) and row["share"] == pytest.approx(
            score / scores[0], abs=1e-6
        )
        assert row["href"].startswith(f"?category=alpha&product={row['id']}&")


def test_a_list_of_known_pairs_only(tmp_path, start):
    store = fixture.write(tmp_path)
    table = store.read("neighbours/skipgram", "alpha").table
    split = store.read("pair_split", "alpha")
    train = partners(split.train.source, split.train.target, fixture.WARM)
    of_product = pc.equal(table["product"].cast("string"), fixture.WARM)
    is_known = pc.is_in(table["neighbour"].cast("string"), value_set=pa.array(sorted(train)))
    only_known = table.filter(pc.or_(pc.invert(of_product), is_known))
    store.write("neighbours/skipgram", "alpha", Neighbours(only_known, {"center_context": {}, "center_center": {}}))
    at = start(store, product=fixture.WARM, models="skipgram")
    assert not list_rows(at) and "all of them known pairs. Choose *All*" in at.info[0].value


def test_rows_that_stand_there_by_side_information_alone(tmp_path, start):
    store = fixture.write(tmp_path)
    split, graph = store.read("pair_split", "alpha"), store.read("product_graph", "alpha")
    everyone = np.ones(fixture.N, bool)
    store.write("neighbours/skipgram", "alpha", fixture.neighbours(("center_context",), everyone, k=fixture.N))
    partner = IDS[int(split.cold_pairs.target[0])]
    (rows,) = list_rows(start(store, product=partner, models="skipgram", length="50"))
    alone = {IDS[node] for node in np.flatnonzero(np.asarray(graph.degree) == 0)}
    assert [("unpaired" in tags(row)) for row in rows] == [row["id"] in alone for row in rows]
    (cold,) = [row for row in rows if row["id"] == IDS[int(split.cold_pairs.source[0])]]
    assert tags(cold) == ["held-out", "unpaired"]


def test_in_which_lists_a_neighbour_stands(full, start):
    chosen = {"popularity": "native", "skipgram": "center_context", "gensim_word2vec": "center_context"}
    expected = {model: stored(full, model, fixture.WARM, scoring, 20) for model, scoring in chosen.items()}
    at = start(full, product=fixture.WARM, models=["popularity", "skipgram"], length="20", pairs="all")
    first, second = (set(expected[m]) for m in ("popularity", "skipgram"))
    assert [row["tags"][-1]["text"] for row in list_rows(at)[0]] == [
        "both" if i in second else "only here" for i in expected["popularity"]
    ]
    assert f"{len(first & second)} in both" in texts(at)

    at = start(full, product=fixture.WARM, models=list(chosen), length="20", pairs="all")
    words = {1: "only here", 2: "2 of 3", 3: "all"}
    for rows, model in zip(list_rows(at), chosen, strict=True):
        holding = [sum(i in other for other in expected.values()) for i in expected[model]]
        assert [row["tags"][-1]["text"] for row in rows] == [words[count] for count in holding]


def test_a_model_that_is_not_materialized_says_how_to_make_it(full, start):
    at = start(full, product=fixture.WARM, models=["adamic_adar", "skipgram"])
    assert len(list_rows(at)) == 1 and "not materialized" in at.info[0].value
    assert [code.value for code in at.code] == ["make materialize CATEGORY=alpha SELECT='+neighbours/adamic_adar'"]


def test_a_product_without_lists_says_who_has_one(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write(
        "neighbours/gensim_word2vec", "alpha", fixture.neighbours(("center_context",), np.ones(fixture.N, bool))
    )
    at = start(store, product=fixture.LONELY, models=["popularity", "skipgram"])
    assert len(at.info) == 2 and "Models with a list for it: gensim" in texts(at)
    assert not list_rows(at) and not at.get("download_button")


def test_choosing_no_model(full, start):
    at = start(full)
    at.multiselect(key="models").set_value([])
    rerun(at)
    assert "at least one model" in at.info[0].value


def test_the_best_model_of_the_leaderboard_is_shown_without_an_address(full, start):
    at = start(full)
    assert at.multiselect(key="models").value == ["skipgram"] and len(list_rows(at)) == 1


# What is materialized


def test_a_new_materialization_shows_up_without_a_restart(tmp_path, start):
    store = fixture.write(tmp_path)
    at = start(store, product=fixture.WARM, models="skipgram", pairs="all")
    before = ids(list_rows(at)[0])
    seen = np.ones(fixture.N, bool)
    store.write("neighbours/skipgram", "alpha", fixture.neighbours(fixture.MODELS["skipgram"], seen, seed=99))
    rerun(at)
    after = ids(list_rows(at)[0])
    assert after == stored(store, "skipgram", fixture.WARM, "center_context") and after != before


def test_a_half_written_version_is_not_seen(tmp_path, start):
    store = fixture.write(tmp_path)
    expected = stored(store, "skipgram", fixture.WARM, "center_context")
    for model in ("skipgram", "adamic_adar"):
        half = store.folder(f"neighbours/{model}", "alpha") / "20990101T000000-deadbeef"
        half.mkdir(parents=True)
        (half / "table.parquet").write_bytes(b"PAR1 and then the writer was killed")
    at = start(store, product=fixture.WARM, models=["skipgram", "adamic_adar"], pairs="all")
    assert ids(list_rows(at)[0]) == expected
    assert "not materialized" in at.info[0].value and not at.error


def damage_manifest(folder):
    (folder / MANIFEST).write_text("{")


def damage_table(folder):
    (table,) = folder.glob("*/table.parquet")
    table.write_bytes(b"PAR1 nothing")


def lose_version(folder):
    (version,) = (p for p in folder.iterdir() if p.is_dir())
    shutil.rmtree(version)


@pytest.mark.parametrize("damage", [damage_manifest, damage_table, lose_version])
def test_a_damaged_model_does_not_hide_the_others(tmp_path, start, damage):
    store = fixture.write(tmp_path)
    damage(store.folder("neighbours/skipgram", "alpha"))
    at = start(store, product=fixture.WARM, models=["skipgram", "popularity"], pairs="all")
    assert len(at.error) == 1 and "cannot be read" in at.error[0].value
    assert ids(list_rows(at)[0]) == stored(store, "popularity", fixture.WARM, "native")


@pytest.mark.parametrize("damage", [damage_manifest, lose_version])
@pytest.mark.parametrize("asset", ["product_pairs", "pair_split", "product_graph"])
def test_damage_below_the_models_is_an_error_in_words(tmp_path, start, asset, damage):
    store = fixture.write(tmp_path)
    damage(store.folder(asset, "alpha"))
    at = start(store, product=fixture.WARM)
    assert len(at.error) == 1 and asset in at.error[0].value.replace("\\", "")


# The trail


def test_walking_on_and_back_over_the_crumbs(full, start):
    at = start(full, product=fixture.WARM, models="skipgram")
    trail = [fixture.WARM]
    for _ in range(2):
        trail.append(next(i for i in ids(list_rows(at)[0]) if i not in trail))
        trigger(at, "list ", "opened", trail[-1])
        assert at.query_params["product"] == trail[-1]
        assert trail[-1] in [t.value for t in at.text]
    crumbs = [button for button in at.button if button.key.startswith("crumb")]
    assert len(crumbs) == 2
    crumbs[0].click()
    rerun(at)
    assert at.query_params["product"] == fixture.WARM
    assert not [button for button in at.button if button.key.startswith("crumb")]


def test_the_browsers_back_button_shortens_the_trail(full, start):
    at = start(full, product=fixture.WARM)
    for product in (fixture.SCRIPT, fixture.JAPANESE):
        at.query_params["product"] = product
        rerun(at)
    crumbs = [button.label for button in at.button if button.key.startswith("crumb")]
    assert crumbs[0] == "Gadget 007" and crumbs[1].startswith("\\<script\\>")
    at.query_params["product"] = fixture.SCRIPT
    rerun(at)
    assert [button.label for button in at.button if button.key.startswith("crumb")] == ["Gadget 007"]


# Why this one


def test_why_shows_the_strongest_path_and_the_shared_neighbours(full, start):
    paths = GraphPaths(full.read("product_graph", fixture.CATEGORY))
    source = IDS.index(fixture.WARM)
    # A neighbour whose best path has three nodes, with which the product shares neighbours.
    reached = {n: paths.strongest(source, n) for n in range(fixture.N) if n != source}
    neighbour = next(n for n, ways in reached.items() if ways and len(ways[0].nodes) == 3)
    best, shared = reached[neighbour][0], paths.shared(source, neighbour, 8)
    at = start(full, product=fixture.WARM, why=IDS[neighbour], models="skipgram")
    written = texts(at) + "\n".join(labels(at))
    for product in fixture.products().take(list(best.nodes)).to_pylist():
        assert plain(product["title"] or product["product_id"]) in written
    partner = "partner" if shared.total == 1 else "partners"
    assert f"They share {shared.total} {partner}; the strongest way" in written and "Not a pair in the data" in written
    assert at.dataframe[0].value["id"].tolist() == [IDS[node] for node in shared.nodes]

    at.button(key="open from why").click()
    rerun(at)
    assert at.query_params["product"] == IDS[neighbour] and "why" not in at.query_params
    assert "the strongest way" not in texts(at)


def test_why_of_known_held_out_and_cold_pairs(full, start):
    split = full.read("pair_split", fixture.CATEGORY)
    for source, target, words in (
        (split.train.source[0], split.train.target[0], "A known pair"),
        (split.validation.source[0], split.validation.target[0], "A held-out pair"),
        (split.cold_pairs.target[0], split.cold_pairs.source[0], "It has no training pair"),
    ):
        assert words in texts(start(full, product=IDS[source], why=IDS[target]))
    assert "No path of up to three steps" in texts(start(full, product=fixture.WARM, why=fixture.LONELY))


def test_asking_why(full, start):
    at = start(full, product=fixture.WARM, models="skipgram")
    neighbour = list_rows(at)[0][2]["id"]
    trigger(at, "list ", "asked", neighbour)
    assert at.query_params["why"] == neighbour
    assert "Next to Gadget 007" in texts(at)


# The basket


def items(at):
    """The widget with the basket's products."""
    (basket,) = (widget for widget in at.multiselect if widget.label.startswith("Basket ("))
    return basket


def test_a_basket_has_one_list_per_model(full, start):
    basket = [fixture.WARM, "B000000008", "B000000009"]
    at = start(full, product=fixture.WARM, models="skipgram")
    at.button(key="basket button").click()
    rerun(at)
    for product in basket[1:]:
        at.query_params["product"] = product
        rerun(at)
        at.button(key="basket button").click()
        rerun(at)
    assert at.query_params["basket"] == basket
    at.segmented_control(key="of").set_value("basket")
    rerun(at)

    scores, counts = {}, {}
    for product in basket:
        for rank, i in enumerate(stored(full, "skipgram", product, "center_context", 50), 1):
            scores[i] = scores.get(i, 0) + 1 / (60 + rank)
            counts[i] = counts.get(i, 0) + 1
    expected = sorted((i for i in scores if i not in basket), key=lambda i: (-round(scores[i], 12), IDS.index(i)))[:10]
    at.segmented_control(key="pairs choice").set_value("All")
    rerun(at)
    (rows,) = list_rows(at)
    assert ids(rows) == expected
    assert [float(row["score"]) for row in rows] == pytest.approx([scores[i] for i in expected], rel=0.06)
    for_products = [f"for {counts[i]} product{'s' if counts[i] > 1 else ''}" for i in expected]
    assert [row["tags"][-1]["text"] for row in rows] == for_products

    # The address alone leads to the same list.
    assert ids(list_rows(start(full, basket=basket, of="basket", models="skipgram", pairs="all"))[0]) == expected

    items(at).set_value(basket[:1])
    rerun(at)
    assert at.query_params["basket"] in (basket[0], basket[:1])
    items(at).set_value([])
    rerun(at)
    assert "basket" not in at.query_params and len(list_rows(at)) == 1


def test_marks_of_a_basket_and_why(full, start):
    basket = [fixture.WARM, "B000000008"]
    split = full.read("pair_split", fixture.CATEGORY)
    train = set().union(*(partners(split.train.source, split.train.target, i) for i in basket))
    at = start(full, basket=basket, of="basket", models="skipgram", why="B000000020", length="50", pairs="all")
    (rows,) = list_rows(at)
    assert [("known" in tags(row)) for row in rows] == [row["id"] in train for row in rows]
    assert any(row["id"] in train for row in rows)
    assert {"Next to Gadget 007", "Next to Gadget 008"} <= {caption.value for caption in at.caption}


def test_an_empty_basket(full, start):
    at = start(full, of="basket")
    assert "basket is empty" in at.info[0].value and not list_rows(at)
