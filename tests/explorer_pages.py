"""Start a page of the explorer over a store with Streamlit's AppTest, and read what it shows."""

import json

from streamlit.proto.WidgetStates_pb2 import WidgetStates
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


def component_data(at, start):
    """What the page sends to each of its own components whose key starts like this, in the page's order."""
    components = [c for c in at.get("bidi_component") if c.key is not None and c.key.startswith(start)]
    return [json.loads(component.proto.json or component.proto.mixed.json) for component in components]


def list_rows(at):
    """The rows of each list on the page Neighbours."""
    return [data["rows"] for data in component_data(at, "list ")]


def trigger(at, start, event, value):
    """Run the page after an event of a component of its own, as its JavaScript reports it."""
    component = next(c for c in at.get("bidi_component") if c.key is not None and c.key.startswith(start))
    states = at._tree.get_widget_states()
    _add(states, f"$$STREAMLIT_INTERNAL_KEY_{component.proto.id}__events", [{"event": event, "value": value}])
    return _run(at, states)


def search(at, key, query):
    """Type into a search box; returns what its list shows then."""
    component = next(c for c in at.get("bidi_component") if c.key == key)
    states = at._tree.get_widget_states()
    states.widgets.add(id=component.proto.id, json_value=json.dumps({"query": query}))
    _run(at, states)
    (data,) = component_data(at, key)
    return data


def choose(at, key, product_id):
    """Choose a product in the list of a search box."""
    return trigger(at, key, "chosen", product_id)


def _add(states: WidgetStates, widget_id, value):
    states.widgets.add(id=widget_id, json_trigger_value=json.dumps(value))


def _run(at, states):
    at._run(states)
    assert not at.exception, at.exception[0].value
    return at
