"""Data of jobs by URL through the installed command: the server holds the credentials of a real S3 protocol server, the workers none."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import CONFIG, Installation
from tests.support.object_server import S3, s3_server

STORE = """
object_stores:
  data:
    url: s3://data/
    endpoint: {url}
    region: us-east-1
    key_id_env: DATA_KEY_ID
    secret_file: {folder}/secret
drivers:
  local:
    settings:
      url_folders: {folder}/shared
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, s3: S3) -> Iterator[Installation]:
    s3.empty()
    made = Installation(tmp_path, None)
    (tmp_path / "shared").mkdir()
    (tmp_path / "secret").write_text("tester-secret\n")
    made.config.write_text(CONFIG + STORE.format(url=s3.url, folder=tmp_path))
    made.env["DATA_KEY_ID"] = "tester"
    made.start()
    yield made
    made.close()


def test_inputs_and_outputs_of_an_object_store_through_signed_urls(place: Installation, s3: S3) -> None:
    for name in ("a.txt", "b.txt", "c.csv", "deep/d e.txt"):
        s3.put(f"in/{name}", name.encode() * 1000)
    (place.folder / "shared/x").write_text("x")
    copy = "mkdir out; cat in/*.txt > out/all.txt; cat x > out/x; find . -type f | sort"
    words = [
        *("--input", "s3://data/in/**=in", "--input", f"file://{place.folder}/shared/x=x"),
        *("--save", "out/=s3://data/res/{job}/", "--save", f"x=file://{place.folder}/shared/copy"),
    ]
    place.run("job", "submit", *words, "--wait", "--", "sh", "-c", copy)
    assert place.run("job", "logs", "1").split() == [
        "./in/a.txt", "./in/b.txt", "./in/c.csv", "./in/deep/d", "e.txt", "./out/all.txt", "./out/x", "./x"
    ]  # fmt: skip
    assert s3.get("res/1/all.txt") == b"a.txt" * 1000 + b"b.txt" * 1000
    assert (place.folder / "shared/copy").read_text() == "x"
    view = json.loads(place.run("job", "get", "1", "-o", "json"))
    (attempt,) = view["history"]
    assert (attempt["bytes_in"], attempt["bytes_out"]) == (5000 * 3 + 12_000 + 1, 10_002)
    key = f"res/1/job-1-{view['payload']['data']['mark']}.manifest.json"
    manifest = json.loads(s3.get(key))
    assert (manifest["job"], manifest["attempt"]) == (1, 1)
    assert [each["url"] for each in manifest["files"]] == [
        f"file://{place.folder}/shared/copy", "s3://data/res/1/all.txt", "s3://data/res/1/x"
    ]  # fmt: skip
    assert "copied in" in place.run("job", "get", "1")
    seen = place.run("job", "get", "1", "-o", "json") + place.said()
    assert "X-Amz-Signature" not in seen
    assert "tester-secret" not in seen


def test_the_second_job_finds_its_input_in_the_cache_of_its_worker(place: Installation, s3: S3) -> None:
    s3.put("in/a", b"a" * 3_000_000)
    submit = ("job", "submit", "--input", "s3://data/in/a=a")
    for cached in (0, 3_000_000):
        job = place.run(*submit, "--wait", "-o", "json", "--", "wc", "-c", "a")
        number = str(json.loads(job)["id"])
        (attempt,) = json.loads(place.run("job", "get", number, "-o", "json"))["history"]
        assert (attempt["bytes_in"], attempt["bytes_cached"]) == (3_000_000, cached)
        assert place.run("job", "logs", number).split() == ["3000000", "a"]
    assert "2.9 MiB copied in (2.9 MiB from the cache of a worker)" in place.run("job", "get", "2")
    assert "The cache of the worker had 2.9 MiB of 2.9 MiB of its inputs." in place.run("why", "job", "2")


def test_what_is_wrong_with_data_is_told(place: Installation, s3: S3) -> None:
    words = ("--input", "s3://data/none=x", "--wait", "--", "true")
    place.run("job", "submit", *words, code=1)
    message = json.loads(place.run("job", "get", "1", "-o", "json"))["message"]
    assert message.startswith("s3://data/none does not exist. The store answered HTTP 404 Not Found")
    place.run("job", "submit", "--input", "s3://other/x=x", "--wait", "--", "true", code=1)
    message = json.loads(place.run("job", "get", "2", "-o", "json"))["message"]
    assert message.startswith("The server has no object store for s3://other/x.")
    place.run("job", "submit", "--save", "x=s3://data/res/", "--wait", "--", "true", code=1)
    message = json.loads(place.run("job", "get", "3", "-o", "json"))["message"]
    assert message == "The job has not written its output x."
    place.run("job", "submit", "--save", "x*=s3://data/res", "--", "true", code=2)
    place.run("job", "submit", "--input", "ftp://h/x=x", "--", "true", code=2)
    assert s3.keys() == []
