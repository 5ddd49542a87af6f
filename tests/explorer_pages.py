"""Driving the explorer's pages with Streamlit's AppTest: starting one over a store, and reading what it shows."""

from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT

APP = str(ROOT / "explorer" / "app.py")
NEIGHBOURS = "app_pages/neighbours.py"
_WRITTEN = "title header subheader markdown caption text info warning error code metric"


def start(monkeypatch, store, page=None, **query):
    """The app over a store, after its first run; ``query`` is the address."""
    monkeypatch.setenv("ALSOBOUGHT_STORE", str(store.root))
    at = AppTest.from_file(APP, default_timeout=120)
    for name, value in query.items():
        at.query_params[name] = value
    if page:
        at.switch_page(page)
    return rerun(at)


def rerun(at):
    at.run()
    assert not at.exception, at.exception[0].value
    assert not [error for error in at.error if "Something went wrong" in error.value], "see the captured log"
    return at


def texts(at):
    """Everything that is written on the page, in one string."""
    return "\n".join(str(element.value) for kind in _WRITTEN.split() for element in at.get(kind))
