"""The bucket of the tests of deliveries."""

import pytest

from tests import bucket as bucket_server


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with bucket_server.server(tmp_path_factory.mktemp("bucket")) as address:
        yield address
