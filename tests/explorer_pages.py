"""Driving the explorer's pages with Streamlit's AppTest: starting one over a store, and reading what it shows."""

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT

APP = str(ROOT / "explorer" / "app.py")
PAGES = tuple(
    f"{folder}/page.py" for folder in ("neighbours", "evaluation", "product_map", "graph_and_data", "freshness")
)
NEIGHBOURS, EVALUATION, MAP, DATA, FRESHNESS = PAGES
_WRITTEN = "title header subheader markdown caption text info warning error code metric"


def start(monkeypatch, store, page=None, **query):
    """The app over a store, after its first run; ``query`` is the address."""
    at = AppTest.from_file(APP, default_timeout=120)
    if page and page != NEIGHBOURS:  # which is the first page
        # AppTest knows the pages only after a run; a store without anything makes that one short.
        monkeypatch.setenv("ALSOBOUGHT_STORE", str(store.root / "nothing"))
        at.run()
        at.switch_page(page)
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(store.root))
    for name, value in query.items():
        at.query_params[name] = value
    return rerun(at)


def rerun(at):
    at.run()
    assert not at.exception, at.exception[0].value
    assert not [error for error in at.error if "Something went wrong" in error.value], "see the captured log"
    return at


def texts(at):
    """Everything that is written on the page, in one string."""
    return "\n".join(str(element.value) for kind in _WRITTEN.split() for element in at.get(kind))
