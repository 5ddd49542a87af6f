"""The page Lists over the hand-made store."""

import dataclasses
import re

import numpy as np
import pytest
import yaml

from core.recommendations.compare import compare_lists
from core.store import Store
from explorer.lists import actions, readers
from tests import explorer_fixture as fixture
from tests.conftest import ROOT
from tests.explorer_pages import LISTS, NEIGHBOURS, choose, rerun, search, texts

WARM = fixture.WARM
IDS = fixture.products()["product_id"].to_pylist()
RING = [IDS[(IDS.index(WARM) + step) % fixture.N] for step in range(1, 9)]
"""The products after WARM."""
PUBLISHED = "published/api"


@pytest.fixture
def store(tmp_path):
    """The products, and lists that were published twice and are made once more: each moves on by one product."""
    store = Store(tmp_path / "store")
    store.write("product_pairs", fixture.CATEGORY, fixture.pairs())
    for shift in (0, 1):
        store.write(PUBLISHED, fixture.CATEGORY, fixture.recommendations(shift), way_back=True)
    store.write("recommendations", fixture.CATEGORY, fixture.recommendations(2))
    return store


@pytest.fixture
def with_pins(store, tmp_path, monkeypatch):
    """The same with a file of pins that may be edited."""
    return allow(tmp_path, monkeypatch, "pins.csv")


def allow(tmp_path, monkeypatch, pins):
    listed = yaml.safe_load((ROOT / "tests" / "categories.yaml").read_text())
    listed["categories"]["alpha"]["pins"] = pins
    (tmp_path / "categories.yaml").write_text(yaml.safe_dump(listed))
    monkeypatch.setenv("ALSOBOUGHT_CATEGORIES", str(tmp_path / "categories.yaml"))
    monkeypatch.setenv("RAW_DIR", str(tmp_path))
    monkeypatch.setenv("ALSOBOUGHT_ALLOW_EDITS", "1")
    return tmp_path / "pins.csv"


def shown(at):
    """The text on the page without the signs that keep it plain."""
    return texts(at).replace("\\", "").replace("\u2060", "")


def codes(at):
    return [code.value for code in at.code]


def test_three_versions_side_by_side_with_what_moved(store, start):
    at = start(store, LISTS, product=WARM)
    current, published, previous = (frame.value for frame in at.dataframe)
    assert current["id"].tolist() == RING[2:7] and current["moved"].tolist() == ["↑ 1"] * 4 + ["new"]
    assert published["id"].tolist() == RING[1:6]
    assert published["moved"].tolist() == ["gone"] + ["↑ 1"] * 3 + ["new"]
    assert previous["id"].tolist() == RING[:5] and previous["moved"].tolist() == ["gone"] + [""] * 4
    assert current["source"].tolist() == ["pinned", "model", "model", "alike", "popular"]
    assert current["product"].tolist()[0] == f"Gadget {RING[2][-3:]}" and "pin" not in current
    assert (
        shown(at).count("1 new, 4 moved, 1 gone") == 2
        and len(re.findall(r"20\d\d-\d\d-\d\d \d\d:\d\d", shown(at))) == 3
    )
    assert "Made by **skip-gram**, trained on all pairs." in shown(at)
    assert "vouches for it: Recall@10 0.300 (0.280–0.320) on held-out pairs." in shown(at)


def test_the_change_since_the_published_version_is_that_of_the_guard(store, start):
    now, before = fixture.recommendations(2), fixture.recommendations(1)
    change = compare_lists(before, now)["goes_with"]
    sentence = (
        f"lists share {change.overlap:.1%} of their first ten places on average (rank-biased overlap "
        f"{change.rank_biased_overlap:.3f}); 0 of 59 lists are lost and 0 new; entries by source: "
    )
    at = start(store, LISTS, product=WARM)
    assert sentence in shown(at) and "model 99.0%, alike 0.3%, popular 0.3%." in shown(at)
    # What the lists know of it themselves is taken, unless something was put back since.
    told = change.as_dict() | {"lost": 1, "before": 1}
    store.write(
        "recommendations", fixture.CATEGORY, dataclasses.replace(now, info=now.info | {"change": {"goes_with": told}})
    )
    assert "1 of 1 list is lost" in shown(start(store, LISTS, product=WARM))
    store.put_back(PUBLISHED, fixture.CATEGORY)
    at = start(store, LISTS, product=WARM)
    assert "1 of 1 list is lost" not in shown(at) and "put back just now" in shown(at)
    other = compare_lists(fixture.recommendations(0), now)["goes_with"]
    assert f"lists share {other.overlap:.1%}" in shown(at)


def test_published_lists_that_are_current(full, start):
    at = start(full, LISTS, product=WARM)
    assert "The published lists are the current ones." in shown(at) and "unchanged" in shown(at)
    assert "There is no previous version: it is kept from the second publication on." in shown(at)
    assert len(at.dataframe) == 2 and set(at.dataframe[0].value["moved"]) == {""}


def test_what_is_not_there_is_said(tmp_path, start):
    store = Store(tmp_path)
    store.write("product_pairs", fixture.CATEGORY, fixture.pairs())
    at = start(store, LISTS)
    assert codes(at) == ["make materialize CATEGORY=alpha SELECT='+recommendations+'"] and not at.dataframe
    unjudged = fixture.recommendations()
    voucher = {"protocol": None, "metric": None, "value": None, "low": None, "high": None}
    unjudged.info["models"] = {"goes_with": {"model": "rp3beta", "scoring": "native", "vouched_by": voucher}}
    facts = {"inputs": {}, "code_version": "1"}
    store.write("recommendations", fixture.CATEGORY, unjudged, facts)
    at = start(store, LISTS, product=fixture.LONELY)
    assert "Nothing is published yet." in shown(at) and "Nothing was held out, so no evaluation vouches" in shown(at)
    assert "The product has no list here: the rules leave nothing to list." in shown(at) and not at.dataframe
    assert at.query_params["product"] == fixture.LONELY
    assert at.segmented_control(key="list").options == ["goes with", "similar"]
    ordered = fixture.recommendations()
    for lists in (ordered.neighbours, ordered.scores, ordered.sources):
        lists["bought_together"] = lists["goes_with"]
    ordered.info["folded_in"] = {"products_since_training": 2}
    store.write("published/api", fixture.CATEGORY, ordered, facts)
    rerun(at)
    assert at.segmented_control(key="list").options == ["goes with", "similar", "bought together"]
    at.segmented_control(key="list").set_value("bought together")
    rerun(at)
    assert "This version has no lists of this kind; only categories with orders have them." in shown(at)
    store.write("recommendations", fixture.CATEGORY, ordered, facts)
    rerun(at)
    assert "2 products that came since the training are folded in." in shown(at)


def test_lists_that_are_out_of_date_or_held_back(store, start, monkeypatch):
    at = start(store, LISTS, product=WARM)
    assert "The current lists are out of date: was made by an earlier version of this program" in shown(at)
    assert "a blocking check held the new lists back" in shown(at) and "/assets/recommendations?" in at.info[0].value
    monkeypatch.setattr(readers, "why_outdated", lambda category: ("", ""))
    store.write("recommendations", "beta", fixture.recommendations())
    store.write("product_pairs", "beta", fixture.pairs())
    at = start(store, LISTS, category="beta")
    assert codes(at) == ["make materialize CATEGORY=beta SELECT='published/api'"]


def test_a_product_that_a_version_does_not_know(store, start):
    older = fixture.recommendations()
    fewer = older.products.slice(0, 5)
    cut = {"goes_with": np.array([[1, 2]] * 5, np.int32)}
    few = {
        name: {"goes_with": array["goes_with"][:5, :2]}
        for name, array in vars(older).items()
        if name in ("scores", "sources")
    }
    for _ in range(2):
        store.write(PUBLISHED, fixture.CATEGORY, dataclasses.replace(older, products=fewer, neighbours=cut, **few))
    at = start(store, LISTS, product=WARM)
    assert "This version does not know the product: it is newer, or it was removed." in shown(at)
    at.segmented_control(key="list").set_value("similar")
    assert "No lists of this kind are published." in shown(rerun(at))


def test_hostile_titles_are_only_text(store, start):
    at = start(store, LISTS, product=fixture.SCRIPT)
    for element in (*at.header, *at.subheader, *at.markdown, *at.caption):
        assert "<script>" not in element.value and "<b>" not in element.value.replace("\\<", "")
    at = start(store, LISTS, product="<i>nobody</i>")
    assert "There is no product" in at.warning[0].value and "<i>" not in at.warning[0].value


def test_neighbours_links_here(full, start):
    links = [link.proto.page for link in start(full, NEIGHBOURS, product=WARM).get("page_link")]
    assert any("lists" in page for page in links)


@pytest.mark.parametrize(
    ("allowed", "pins", "sentence"),
    [
        (False, "pins.csv", "To pin and block products here, start the explorer with ALSOBOUGHT_ALLOW_EDITS=1."),
        (
            True,
            None,
            "To pin and block products here, name a local CSV file under the key pins of this category in categories",
        ),
        (True, "https://shop.example/pins.csv", "name a file on this machine, not a URL, under the key pins"),
    ],
)
def test_edits_are_off_unless_they_are_allowed(store, start, tmp_path, monkeypatch, allowed, pins, sentence):
    file = allow(tmp_path, monkeypatch, pins)
    if not allowed:
        monkeypatch.delenv("ALSOBOUGHT_ALLOW_EDITS")
    at = start(store, LISTS, product=WARM)
    assert sentence in shown(at) and "pin" not in at.dataframe[0].value and not at.button
    if not allowed:  # a click that comes nevertheless
        actions.change(
            actions.Target(file, "", "", WARM, "goes_with", fixture.products()["product_id"]), RING[0], "pin", 1
        )
        assert not file.exists()


def test_pin_block_and_release_write_the_file(store, with_pins, start):
    at = start(store, LISTS, product=WARM)
    assert at.dataframe[0].value["pin"].tolist() == [":material/keep:"] * 5
    assert search(at, "pin search", fixture.SCRIPT)["hits"][0]["id"] == fixture.SCRIPT
    choose(at, "pin search", fixture.SCRIPT)
    at.number_input(key="pin place").set_value(2)
    rerun(at)
    button(at, "Pin").click()
    rerun(at)
    row = f"{WARM},{fixture.SCRIPT},goes_with,pin,2\n"
    assert with_pins.read_text() == "product_id,neighbour,slot,action,rank\n" + row
    done = at.success[0].value.replace("\\", "")
    assert f"{fixture.SCRIPT} is pinned at place 2 in pins.csv. The lists follow with the next rebuild" in done
    assert f"make materialize CATEGORY=alpha SELECT='recommendations+' RAW_DIR={with_pins.parent}" in codes(at)
    assert at.dataframe[3].value["holds"].tolist() == ["pinned at place 2"]
    assert not rerun(at).success and not [b for b in at.button if b.label == "Pin"]  # once

    with_pins.write_text("# Ann's\n" + with_pins.read_text() + f"{WARM},{RING[2]},,block,\n")
    at = start(store, LISTS, product=WARM)
    assert at.dataframe[3].value["holds"].tolist() == ["pinned at place 2", "blocked"]
    at = start(store, LISTS, product=WARM, list="similar")
    assert at.dataframe[3].value["holds"].tolist() == ["blocked"]


def button(at, label):
    return next(button for button in at.button if button.label == label)


def target(path):
    from core.recommendations.rules.pins_edit import file_digest

    ids = fixture.products()["product_id"].combine_chunks()
    return actions.Target(path, "pins.csv", file_digest(path), WARM, "goes_with", ids)


@pytest.fixture
def session(monkeypatch):
    state = {}
    monkeypatch.setattr(actions.st, "session_state", state)
    return state


def test_a_click_on_an_entry_pins_it_where_it_stands(with_pins, session):
    session["key"] = {"row": 1}
    actions.clicked_edit("key", target(with_pins), RING[:3], ["pin"] * 3)
    assert with_pins.read_text().splitlines()[1:] == [f"{WARM},{RING[1]},goes_with,pin,2"]
    actions.clicked_edit("key", target(with_pins), RING[:3], ["block"] * 3)
    assert with_pins.read_text().splitlines()[1:] == [f"{WARM},{RING[1]},goes_with,block,"]
    actions.clicked_edit("key", target(with_pins), RING[:3], [None] * 3)
    assert with_pins.read_text().splitlines()[1:] == [] and session[actions.NOTE][0]
    session["key"] = {"row": 7}  # of a list that was longer
    actions.clicked_edit("key", target(with_pins), RING[:3], ["pin"] * 3)
    assert with_pins.read_text().splitlines()[1:] == []


def test_what_somebody_else_wrote_meanwhile_is_not_lost(with_pins, session):
    mine, theirs = target(with_pins), target(with_pins)
    actions.change(theirs, RING[0], "pin", 1)
    content = with_pins.read_bytes()
    actions.change(mine, RING[1], "block")
    assert with_pins.read_bytes() == content
    done, sentence = session[actions.NOTE]
    assert not done and "pins.csv was changed by somebody else in the meantime" in sentence


def test_a_file_of_pins_that_cannot_be_read_is_named_and_not_edited(store, with_pins, start):
    with_pins.write_text("a,b\n1,2\n")
    at = start(store, LISTS, product=WARM)
    assert "pins.csv: this is a table with the columns a, b" in shown(at).replace("'", "")
    assert "pin" not in at.dataframe[0].value and not at.expander
