"""Start a page of the explorer over a store with Streamlit's AppTest, and read what it shows."""

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT

APP = str(ROOT / "explorer" / "app.py")
NEIGHBOURS, EVALUATION, MAP = "neighbours/page.py", "evaluation/page.py", "product_map/page.py"
BASKETS, CUSTOMERS, LISTS = "baskets/page.py", "customers/page.py", "lists/page.py"
DATA, FRESHNESS = "graph_and_data/page.py", "freshness/page.py"
PAGES = sorted(f"{path.parent.name}/page.py" for path in (ROOT / "explorer").glob("*/page.py"))
_WRITTEN = "title header subheader markdown caption text info warning error code metric"


def start(monkeypatch, store, page=None, **query):
    """The app over a store after its first run; ``query`` holds the parameters of the address."""
    at = AppTest.from_file(APP, default_timeout=120)
    if page and page != NEIGHBOURS:  # the default page
        # AppTest knows the pages only after a run, and an empty store makes that run short.
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
    """All text on the page, as one string."""
    return "\n".join(str(element.value) for kind in _WRITTEN.split() for element in at.get(kind))
