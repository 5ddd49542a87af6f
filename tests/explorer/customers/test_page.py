"""The page Customers over the hand-made store."""

import shutil

import numpy as np
import pyarrow as pa
import pytest

from core.orders.history import HISTORY
from tests import explorer_fixture as fixture
from tests.explorer_pages import CUSTOMERS, rerun, texts


@pytest.fixture
def with_lists(full, tmp_path):
    """The hand-made store with lists for customers."""
    shutil.copytree(full.root, tmp_path / "store")
    store = type(full)(tmp_path / "store")
    store.write("customer_lists", fixture.CATEGORY, fixture.customer_lists())
    return store


def test_history_list_and_next_order(with_lists, start):
    at = start(with_lists, CUSTOMERS, customer="anna")
    history, listed, bought = (frame.value for frame in at.dataframe)
    assert history["id"].tolist() == [fixture.UNTITLED, "B000000011", fixture.WARM, "B000000009"]
    assert history["when"].tolist()[0] == "2025-02-11 10:00" and history["order"].fillna("").tolist() == [
        "",
        "o3",
        "o1",
        "o1",
    ]
    assert listed["id"].tolist() == ["B000000012", "B000000020", fixture.LONELY, fixture.JAPANESE]
    assert listed["hit"].tolist() == ["★", "", "★", ""]
    assert listed["because"].tolist() == ["Gadget 007", "Gadget 009", "Gadget 007", "popular with everybody"]
    assert bought["id"].tolist() == [fixture.LONELY, fixture.WARM, "B000000011", "B000000012", fixture.SCRIPT]
    assert bought["rank"].fillna(0).tolist() == [3, 0, 0, 1, 0]
    assert bought["before"].tolist() == ["", "yes", "yes", "", ""]
    assert "**2 of 5 products** of the next order are in this list of 4." in texts(at)
    assert "5 products, 3 new to the customer. Later means from 2025-03-02 10:00" in texts(at)


def test_without_lists_the_page_says_how_to_make_them(full, start):
    at = start(full, CUSTOMERS)
    assert at.query_params["customer"] == "anna"  # with the most lines
    assert "make materialize CATEGORY=alpha SELECT='+customer_lists'" in [code.value for code in at.code]
    assert len(at.dataframe) == 2 and not at.error


def test_customers_without_a_list_or_without_a_history(with_lists, start):
    at = start(with_lists, CUSTOMERS, customer="bela")
    assert "There is no list for this customer." in texts(at) and len(at.dataframe) == 2
    at = start(with_lists, CUSTOMERS, customer="<b>c</b>")
    assert "models know nothing about the customer" in texts(at) and "<b>c" not in texts(at)
    with_lists.write("customer_lists", fixture.CATEGORY, fixture.CUSTOMER_LISTS.empty_table())
    assert "There is no list for any customer of this category." in texts(start(with_lists, CUSTOMERS))


def test_a_customer_is_searched_and_chosen(full, start):
    at = start(full, CUSTOMERS)
    at.text_input(key="customer search").set_value("BEL")
    rerun(at)
    box = at.selectbox(key="customer hit")
    assert box.label == "1 customer found" and box.options == ["bela"]
    box.select_index(0)
    rerun(at)
    assert at.query_params["customer"] == "bela" and at.selectbox(key="customer hit").value is None
    at.button(key="random customer").click()
    rerun(at)
    assert any(f"Customer {c}" in texts(at).replace("\\", "") for c in ("anna", "bela", "<b>c</b>"))


def test_an_unknown_customer_is_only_text(full, start, caplog):
    at = start(full, CUSTOMERS, customer="<i>nobody</i>")
    assert "There is no customer" in at.warning[0].value and "<i>" not in at.warning[0].value
    assert not at.dataframe and "nobody" not in caplog.text


def test_no_id_of_a_customer_is_logged_when_the_page_fails(full, start, monkeypatch, caplog):
    monkeypatch.setattr("explorer.customers.purchases._key", lambda *_: 1 / 0)
    at = start_failing(full, start, monkeypatch)
    assert "Something went wrong" in at.error[0].value
    assert "ZeroDivisionError" in caplog.text and "anna" not in caplog.text


def start_failing(store, start, monkeypatch):
    monkeypatch.setattr("tests.explorer_pages.rerun", lambda at: at.run())
    return start(store, CUSTOMERS, customer="anna")


def test_orders_that_name_no_customer(tmp_path, start):
    store = fixture.write(tmp_path)
    history = fixture.history()
    nobody = pa.nulls(history.num_rows, pa.string()).cast(HISTORY.field("customer").type)
    store.write("order_history", fixture.CATEGORY, history.set_column(3, "customer", nobody))
    assert "name no customers" in start(store, CUSTOMERS).info[0].value
    store.write("order_history", fixture.CATEGORY, HISTORY.empty_table())
    assert "has no orders" in start(store, CUSTOMERS).info[0].value


def test_without_later_orders_there_is_nothing_to_compare_with(with_lists, start):
    history = fixture.history()
    known = pa.array(np.zeros(history.num_rows, bool))
    with_lists.write("order_history", fixture.CATEGORY, history.set_column(6, "later", known))
    at = start(with_lists, CUSTOMERS, customer="anna")
    assert "No later order of this customer is held out." in texts(at)
    assert "nothing later is known" in texts(at) and at.dataframe[1].value["hit"].tolist() == [""] * 4
