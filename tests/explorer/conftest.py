"""The hand-made store and the app over it, for the tests of all pages."""

import functools

import pytest

from tests import explorer_fixture, explorer_pages


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """The whole hand-made store. Tests only read it."""
    return explorer_fixture.write(tmp_path_factory.mktemp("full"))


@pytest.fixture
def start(monkeypatch):
    """Start the app over a store: ``start(store, page, product=...)``; without a page, the first one is shown."""
    return functools.partial(explorer_pages.start, monkeypatch)
