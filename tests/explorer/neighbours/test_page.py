"""The neighbours page over a hand-made store, in all its states, without a browser."""

import shutil

import numpy as np
import pytest

from core.graph.paths import GraphPaths
from core.store.artefacts import MANIFEST
from core.untrusted.markdown import plain
from tests import explorer_fixture as fixture
from tests.explorer_pages import rerun, texts

IDS = fixture.products()["product_id"].to_pylist()


def stored(store, model, product, scoring, k=10):
    """The first neighbours of a product in the store."""
    rows = store.read(f"neighbours/{model}", fixture.CATEGORY).table.to_pylist()
    return [r["neighbour"] for r in rows if r["product"] == product and r["scoring"] == scoring][:k]


def partners(source, target, product):
    pairs = [(IDS[a], IDS[b]) for a, b in zip(source.tolist(), target.tolist(), strict=True)]
    return {a if b == product else b for a, b in pairs if product in (a, b)}


def labels(at):
    return [button.label for button in at.button]


# Finding a product


def test_the_first_product_is_the_most_popular(full, start):
    pairs = fixture.pairs()
    degree = np.bincount(np.r_[pairs.source, pairs.target], minlength=fixture.N)
    assert IDS[int(np.argmax(degree))] in [t.value for t in start(full).text]


def test_search_opens_a_product_and_puts_it_into_the_address(full, start):
    at = start(full)
    at.text_input(key="search").set_value("ワイヤレス").run()
    (option,) = at.selectbox(key="hit").options
    assert fixture.JAPANESE in option and "1 pair" not in option
    at.selectbox(key="hit").select_index(0)
    rerun(at)
    assert at.query_params["product"] == fixture.JAPANESE
    assert at.subheader[0].value == "ワイヤレスヘッドホン マイク付き"
    assert at.selectbox(key="hit").value is None


def test_a_search_without_hits(full, start):
    at = start(full)
    at.text_input(key="search").set_value("no such thing")
    rerun(at)
    assert at.selectbox(key="hit").disabled and "0 products found" in at.selectbox(key="hit").label


def test_addresses_that_lead_nowhere(full, start):
    at = start(full, product="<b>gone</b>")
    assert "There is no product" in at.warning[0].value and "<b>" not in at.warning[0].value
    at = start(full, category="nowhere")
    assert "does not exist" in at.warning[0].value and at.dataframe
    assert start(full, models="no_such_model").dataframe
    at = start(full, why="nobody", basket=["nobody", fixture.WARM])
    assert at.dataframe and "1 product of the basket in the address could not be found" in texts(at)


# The card


def test_hostile_titles_stay_text(full, start):
    at = start(full, product=fixture.SCRIPT, why=fixture.WARM, basket=fixture.SCRIPT)
    assert not at.html
    for kind in ("markdown", "caption", "subheader"):
        assert not any(element.proto.allow_html for element in at.get(kind) if hasattr(element.proto, "allow_html"))
    heading = at.subheader[0].value
    assert "<script>" not in heading and "\\<script\\>" in heading and "\\!\\[x\\]" in heading
    assert "<script>" not in texts(at)

    at = start(full, product=fixture.LONG)
    assert len(at.subheader[0].value) < 200
    assert fixture.TITLES[fixture.LONG] in [t.value for t in at.expander[0].text]


def test_products_with_little_about_them(full, start):
    at = start(full, product=fixture.UNTITLED)
    assert at.subheader[0].value == fixture.UNTITLED
    at = start(full, product=fixture.LISTED)
    assert "Only listed by others" in texts(at)
    at = start(full, product=fixture.LONELY)
    assert "Not seen in training" in texts(at) and "has no list" in at.info[0].value
    assert not at.dataframe


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


@pytest.mark.parametrize(("view", "scoring"), [("complements", "center_context"), ("substitutes", "center_center")])
def test_lists_are_those_of_the_store(full, start, view, scoring):
    at = start(full, product=fixture.WARM, models=["popularity", "skipgram"], view=view)
    assert len(at.dataframe) == 2
    for frame, model in zip(at.dataframe, ("popularity", "skipgram"), strict=True):
        expected = stored(full, model, fixture.WARM, scoring if model == "skipgram" else "native")
        assert frame.value["id"].tolist() == expected and len(expected) == 10
    assert f"native, no {view} view" in texts(at).replace("\\", "")


def test_marks_say_which_pairs_are_known(full, start):
    product = fixture.WARM
    split = full.read("pair_split", fixture.CATEGORY)
    train = partners(split.train.source, split.train.target, product)
    held_out = partners(split.validation.source, split.validation.target, product)
    frame = start(full, product=product, models="skipgram", length="20").dataframe[0].value
    expected = ["●" if i in train else "★" if i in held_out else "" for i in frame["id"]]
    assert frame["pair"].tolist() == expected
    assert {"●", "★"} <= set(expected)
    assert "lists" not in frame  # a single list has nothing to be compared with


def test_rows_that_stand_there_by_side_information_alone(tmp_path, start):
    store = fixture.write(tmp_path)
    split, graph = store.read("pair_split", "alpha"), store.read("product_graph", "alpha")
    everyone = np.ones(fixture.N, bool)
    store.write("neighbours/skipgram", "alpha", fixture.neighbours(("center_context",), everyone, k=fixture.N))
    partner = IDS[int(split.cold_pairs.target[0])]
    frame = start(store, product=partner, models="skipgram", length="50").dataframe[0].value
    alone = {IDS[node] for node in np.flatnonzero(np.asarray(graph.degree) == 0)}
    assert [("❄" in mark) for mark in frame["pair"]] == [i in alone for i in frame["id"]]
    cold = frame.set_index("id")["pair"].get(IDS[int(split.cold_pairs.source[0])])
    assert cold in (None, "★❄")
    assert "❄" in set("".join(frame["pair"]))


def test_in_which_lists_a_neighbour_stands(full, start):
    chosen = {"popularity": "native", "skipgram": "center_context", "gensim_word2vec": "center_context"}
    expected = {model: stored(full, model, fixture.WARM, scoring, 20) for model, scoring in chosen.items()}
    at = start(full, product=fixture.WARM, models=["popularity", "skipgram"], length="20")
    first, second = (set(expected[m]) for m in ("popularity", "skipgram"))
    assert at.dataframe[0].value["lists"].tolist() == [
        "both" if i in second else "only here" for i in expected["popularity"]
    ]
    assert f"{len(first & second)} in both" in texts(at)

    at = start(full, product=fixture.WARM, models=list(chosen), length="20")
    words = {1: "only here", 2: "2 of 3", 3: "all"}
    for frame, model in zip(at.dataframe, chosen, strict=True):
        holding = [sum(i in other for other in expected.values()) for i in expected[model]]
        assert frame.value["lists"].tolist() == [words[count] for count in holding]


def test_a_model_that_is_not_materialized_says_how_to_make_it(full, start):
    at = start(full, product=fixture.WARM, models=["adamic_adar", "skipgram"])
    assert len(at.dataframe) == 1 and "not materialized" in at.info[0].value
    assert [code.value for code in at.code] == ["make materialize CATEGORY=alpha SELECT='+neighbours/adamic_adar'"]


def test_a_product_without_lists_says_who_has_one(tmp_path, start):
    store = fixture.write(tmp_path)
    store.write(
        "neighbours/gensim_word2vec", "alpha", fixture.neighbours(("center_context",), np.ones(fixture.N, bool))
    )
    at = start(store, product=fixture.LONELY, models=["popularity", "skipgram"])
    assert len(at.info) == 2 and "Models with a list for it: gensim" in texts(at)
    assert not at.dataframe and not at.get("download_button")


def test_choosing_no_model(full, start):
    at = start(full)
    at.multiselect(key="models").set_value([])
    rerun(at)
    assert "at least one model" in at.info[0].value


def test_the_first_models_are_shown_without_an_address(full, start):
    at = start(full)
    assert at.multiselect(key="models").value == ["skipgram", "popularity"] and len(at.dataframe) == 2


# What is materialized


def test_a_new_materialization_shows_up_without_a_restart(tmp_path, start):
    store = fixture.write(tmp_path)
    at = start(store, product=fixture.WARM, models="skipgram")
    before = at.dataframe[0].value["id"].tolist()
    seen = np.ones(fixture.N, bool)
    store.write("neighbours/skipgram", "alpha", fixture.neighbours(fixture.MODELS["skipgram"], seen, seed=99))
    rerun(at)
    after = at.dataframe[0].value["id"].tolist()
    assert after == stored(store, "skipgram", fixture.WARM, "center_context") and after != before


def test_a_half_written_version_is_not_seen(tmp_path, start):
    store = fixture.write(tmp_path)
    expected = stored(store, "skipgram", fixture.WARM, "center_context")
    for model in ("skipgram", "adamic_adar"):
        half = store.folder(f"neighbours/{model}", "alpha") / "20990101T000000-deadbeef"
        half.mkdir(parents=True)
        (half / "table.parquet").write_bytes(b"PAR1 and then the writer was killed")
    at = start(store, product=fixture.WARM, models=["skipgram", "adamic_adar"])
    assert at.dataframe[0].value["id"].tolist() == expected
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
    at = start(store, product=fixture.WARM, models=["skipgram", "popularity"])
    assert len(at.error) == 1 and "cannot be read" in at.error[0].value
    assert at.dataframe[0].value["id"].tolist() == stored(store, "popularity", fixture.WARM, "native")


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
        options = at.dataframe[0].value["id"].tolist()
        assert len(at.selectbox(key="walk on").options) == 10
        step = next(position for position, i in enumerate(options) if i not in trail)
        at.selectbox(key="walk on").select_index(step)
        rerun(at)
        trail.append(options[step])
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
    assert "Strongest path" in written and "Not a pair in the data" in written
    assert at.dataframe[1].value["id"].tolist() == [IDS[node] for node in shared.nodes]

    at.button(key="open from why").click()
    rerun(at)
    assert at.query_params["product"] == IDS[neighbour] and "why" not in at.query_params
    assert "Strongest path" not in texts(at)


def test_why_of_known_held_out_and_cold_pairs(full, start):
    split = full.read("pair_split", fixture.CATEGORY)
    for source, target, words in (
        (split.train.source[0], split.train.target[0], "A known pair"),
        (split.validation.source[0], split.validation.target[0], "A held-out pair"),
        (split.cold_pairs.target[0], split.cold_pairs.source[0], "It has no training pair"),
    ):
        assert words in texts(start(full, product=IDS[source], why=IDS[target]))
    assert "No path of up to three steps" in texts(start(full, product=fixture.WARM, why=fixture.LONELY))


def test_asking_why_without_a_mouse(full, start):
    at = start(full, product=fixture.WARM, models="skipgram")
    at.selectbox(key="why choice").select_index(2)
    rerun(at)
    assert at.query_params["why"] == at.dataframe[0].value["id"].iloc[2]
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
    frame = at.dataframe[0].value
    assert frame["score"].tolist() == pytest.approx([scores[i] for i in expected])
    assert frame["id"].tolist() == expected
    assert frame["basket_lists"].tolist() == [counts[i] for i in expected]

    # The address alone leads to the same list.
    again = start(full, basket=basket, of="basket", models="skipgram").dataframe[0].value
    assert again["id"].tolist() == expected

    items(at).set_value(basket[:1])
    rerun(at)
    assert at.query_params["basket"] in (basket[0], basket[:1])
    items(at).set_value([])
    rerun(at)
    assert "basket" not in at.query_params and at.segmented_control(key="of").value == "this product"


def test_marks_of_a_basket_and_why(full, start):
    basket = [fixture.WARM, "B000000008"]
    split = full.read("pair_split", fixture.CATEGORY)
    train = set().union(*(partners(split.train.source, split.train.target, i) for i in basket))
    at = start(full, basket=basket, of="basket", models="skipgram", why="B000000020", length="50")
    frame = at.dataframe[0].value
    assert [("●" in mark) for mark in frame["pair"]] == [i in train for i in frame["id"]]
    assert {"Next to Gadget 007", "Next to Gadget 008"} <= {caption.value for caption in at.caption}


def test_an_empty_basket(full, start):
    at = start(full, of="basket")
    assert "basket is empty" in at.info[0].value and not at.dataframe
