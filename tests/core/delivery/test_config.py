"""The key `publish` of categories.yaml."""

import pytest

from core.categories import Category, load_categories
from core.delivery.config import ApiConfig, FilesConfig, PostgresqlConfig, RedisConfig, VectorsConfig

SECRET = "hunter2"


def load(tmp_path, publish):
    path = tmp_path / "categories.yaml"
    path.write_text(f"categories:\n  a: {{source: a}}\n  x: {{source: x, publish: {publish}}}\n")
    return load_categories(path)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{}", {"api": ApiConfig(), "files": FilesConfig()}),
        ("", {"api": ApiConfig(), "files": FilesConfig()}),
        ("false", {}),
        ("{api: false, files: false}", {}),
        ("{api: false, files: {url: s3://u@b/x, formats: [jsonl]}}", {"files": FilesConfig("s3://u@b/x", ("jsonl",))}),
        (
            "{vectors: true, redis: {url_env: R, keep_hours: 1}, postgresql: {url_env: P, table: a.b}}",
            {
                "api": ApiConfig(), "files": FilesConfig(), "vectors": VectorsConfig(),
                "postgresql": PostgresqlConfig("P", "a.b"), "redis": RedisConfig("R", keep_hours=1.0),
            },
        ),
    ],
)  # fmt: skip
def test_what_is_published_where(tmp_path, text, places):
    found = load(tmp_path, text)["x"].publish
    assert found == places and list(found) == list(places)


def test_api_and_files_are_the_default(tmp_path):
    assert list(Category("a", "A", "sample").publish) == list(load(tmp_path, "{}")["a"].publish) == ["api", "files"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("true", "x.publish: expected a mapping"),
        ("[files]", "x.publish: expected a mapping"),
        ("{ftp: true}", "x.publish: there is no place 'ftp'; known are api, files, vectors, postgresql, redis"),
        ("{files: s3://b/x}", "x.publish.files: expected true, false or a mapping of its settings (url, formats)"),
        ("{files: {path: x}}", "x.publish.files: there is no setting 'path'; known are url, formats"),
        ("{files: {url: ''}}", "x.publish.files.url: expected a folder or a URL"),
        ("{files: {url: 's3://u:hunter2@b/x'}}", "x.publish.files.url: a URL's password and query do not belong"),
        ("{vectors: {url: 's3://b/x?hunter2'}}", "x.publish.vectors.url: a URL's password and query do not belong"),
        ("{files: {formats: [csv]}}", "x.publish.files.formats: expected a list of parquet and jsonl"),
        ("{vectors: {formats: []}}", "x.publish.vectors.formats: expected a list of parquet and npy"),
        ("{api: {port: 1}}", "x.publish.api: there is no setting 'port'; known are none"),
        ("{redis: true}", "x.publish.redis: needs `url_env`, the name of the environment variable"),
        ("{redis: {url_env: 'redis://:hunter2@h'}}", "x.publish.redis.url_env: is not the name of an environment"),
        ("{redis: {url_env: 5}}", "x.publish.redis.url_env: is not the name of an environment variable"),
        ("{redis: {url_env: R, prefix: 'a{b}'}}", "x.publish.redis.prefix: expected at most 64 letters"),
        ("{redis: {url_env: R, keep_hours: 0}}", "x.publish.redis.keep_hours: expected a number of hours from 0.01"),
        ("{redis: {url_env: R, keep_hours: true}}", "x.publish.redis.keep_hours: expected a number of hours"),
        ("{postgresql: {url_env: P, table: a.b.c}}", "x.publish.postgresql.table: expected the name of a table"),
        ('{postgresql: {url_env: P, table: "a\\0"}}', "x.publish.postgresql.table: expected the name of a table"),
        (f"{{postgresql: {{url_env: P, table: {'ä' * 21}}}}}", "with at most 40 bytes in each part"),
        ("{postgresql: {url_env: P, password: hunter2}}", "there is no setting 'password'"),
    ],
)
def test_a_mistake_is_a_sentence_without_secrets(tmp_path, text, sentence):
    found = load(tmp_path, text)
    assert list(found) == ["a"] and sentence in found.refused["x"] and SECRET not in found.refused["x"]
