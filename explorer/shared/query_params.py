"""What the address bar knows: choices that survive a reload, a page switch and being sent to a colleague.

Widgets whose options read the same in the address as on the screen use Streamlit's own ``bind="query-params"``; it
would put titles where names belong.
"""

import streamlit as st


def get_value(name: str) -> str | None:
    """The current value: the address wins (a deep link, the back button), else what the session last had.

    Streamlit drops parameters when the page is switched; they are put back here.
    """
    kept = f"link.{name}"
    given = st.query_params.get(name)
    if given:
        st.session_state[kept] = given
    elif kept in st.session_state:
        st.query_params[name] = st.session_state[kept]
    return st.session_state.get(kept)


def get_values(name: str) -> list[str]:
    """The values of a parameter that may stand in the address several times, each once, in their order."""
    kept = f"link.{name}"
    given = st.query_params.get_all(name)
    if given:
        st.session_state[kept] = list(dict.fromkeys(given))
    elif st.session_state.get(kept):
        st.query_params[name] = st.session_state[kept]
    return list(st.session_state.get(kept, ()))


def set_values(name: str, values: list[str]) -> None:
    """Set all values of such a parameter; none remove it. For callbacks."""
    st.session_state[f"link.{name}"] = list(values)
    if values:
        st.query_params[name] = values
    else:
        st.query_params.pop(name, None)


def set_value(name: str, value: str | None) -> None:
    """Set a value, or remove it with None. For callbacks: they run before the page is drawn."""
    kept = f"link.{name}"
    if value is None:
        st.session_state.pop(kept, None)
        st.query_params.pop(name, None)
    else:
        st.session_state[kept] = value
        st.query_params[name] = value
