"""Servers for the tests of deliveries; each is started once."""

import pytest

from tests import bucket as bucket_server
from tests import postgres, redis_server

SECRET = "Zq7SECRETx"


@pytest.fixture(scope="session")
def postgresql_url():
    with postgres.server() as variables:
        yield postgres.url(variables, SECRET)


@pytest.fixture(scope="session")
def redis_url():
    with redis_server.server() as url:
        yield url


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with bucket_server.server(tmp_path_factory.mktemp("bucket")) as address:
        yield address
