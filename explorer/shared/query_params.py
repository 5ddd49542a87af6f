"""Choices in the address: they survive a reload and a page switch, and can be shared with a colleague.

Widgets whose options read the same in the address as on the screen use Streamlit's own ``bind="query-params"``. For
others it would put titles where names belong.
"""

import streamlit as st


def get_value(name: str) -> str | None:
    """The current value: that of the address (a deep link, the back button), otherwise the last one of the session.

    Streamlit drops parameters when the page is switched; this function puts them back.
    """
    session_key = f"link.{name}"
    value = st.query_params.get(name)
    if value:
        st.session_state[session_key] = value
    elif session_key in st.session_state:
        st.query_params[name] = st.session_state[session_key]
    return st.session_state.get(session_key)


def get_values(name: str) -> list[str]:
    """The values of a parameter that may be repeated in the address, in order and without duplicates."""
    session_key = f"link.{name}"
    values = st.query_params.get_all(name)
    if values:
        st.session_state[session_key] = list(dict.fromkeys(values))
    elif st.session_state.get(session_key):
        st.query_params[name] = st.session_state[session_key]
    return list(st.session_state.get(session_key, ()))


def set_values(name: str, values: list[str]) -> None:
    """Set all values of such a parameter, or remove it if there are none. For callbacks."""
    st.session_state[f"link.{name}"] = list(values)
    if values:
        st.query_params[name] = values
    else:
        st.query_params.pop(name, None)


def set_value(name: str, value: str | None) -> None:
    """Set a value, or remove it with None. For callbacks, which run before the page is drawn."""
    session_key = f"link.{name}"
    if value is None:
        st.session_state.pop(session_key, None)
        st.query_params.pop(name, None)
    else:
        st.session_state[session_key] = value
        st.query_params[name] = value
