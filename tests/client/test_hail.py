"""Scripts of Hail Batch on `herder.hail`: the features of its tutorial on real local workers, its units and defaults, and what is refused."""

import threading
import webbrowser
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import herder.hail as hb
from herder.client import HerderClient, InvalidError
from herder.wire.api.work import JobSubmission
from tests.acceptance.conftest import Installation
from tests.client.running import started

Connect = Callable[[], HerderClient]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Connect]]:
    found = started(tmp_path_factory.mktemp("server"))
    yield found
    found[0].close()


@pytest.fixture
def new(place: tuple[Installation, Connect]) -> Callable[..., hb.Batch]:
    def make(name: str | None = None, backend: Any = None, **more: Any) -> hb.Batch:
        return hb.Batch(name, backend, default_cpu="100m", default_memory="64Mi", client=place[1], **more)

    return make


def sent(job: hb.Job) -> JobSubmission:
    return job.command("true")._submission()


def test_chores_of_each_user_are_gathered_by_dependencies(new: Callable[..., hb.Batch]) -> None:
    b = new("nested-scatter", hb.LocalBackend(tmp_dir="/tmp/"))
    head = b.new_job(name="head").command("true")
    sinks = []
    for user in ("Alice", "Bob"):
        chores = []
        for chore in ("make-bed", "laundry"):
            j = b.new_bash_job(name=f"{user}-{chore}")
            j.command(f'echo "user {user} is doing chore {chore}"')
            j.depends_on(head)
            chores.append(j)
        sinks.append(b.new_job(name=f"{user}-sink").command("true").depends_on(*chores))
    b.new_job(name="final").command("true").depends_on(*sinks)
    done = b.run()
    assert done is not None
    with b._client() as client:
        found = {each.key: client.jobs.get(each.id) for each in done.jobs()}
    assert len(found) == 8
    assert {each.state for each in found.values()} == {"succeeded"}
    started_ms = {key: each.history[-1].started_at for key, each in found.items() if key}
    ended_ms = {key: each.ended_at for key, each in found.items() if key}
    assert ended_ms["head"] <= started_ms["Bob-laundry"]  # type: ignore[operator]
    assert ended_ms["Bob-laundry"] <= started_ms["Bob-sink"]  # type: ignore[operator]
    assert done.output("Alice-laundry") == "user Alice is doing chore laundry\n"


def test_files_are_strings_and_their_endings_reach_the_program(
    new: Callable[..., hb.Batch], tmp_path: Path
) -> None:
    b = new("joined")
    jobs = []
    for name in ("a", "b"):
        j = b.new_job(name=name)
        j.command(f"echo {name} > {j.ofile}")
        jobs.append(j)
    sink = b.new_job(name="sink")
    sink.command("cat " + " ".join([j.ofile for j in jobs]) + f" > {sink.all}; basename {sink.all}")
    sink.all.add_extension(".tsv")
    b.write_output(sink.all, str(tmp_path / "all.tsv"))
    done = b.run()
    assert done is not None
    assert (tmp_path / "all.tsv").read_text() == "a\nb\n"
    assert done.output("sink") == "all.tsv\n"


def test_inputs_are_read_alone_and_as_groups_and_are_written(
    new: Callable[..., hb.Batch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("x.bed", "x.bim", "hello.txt.gz"):
        (tmp_path / "data" / name).write_text(f"{name}\n")
    b = new("inputs")
    alone = b.read_input("data/hello.txt.gz")
    group = b.read_input_group(bed="data/x.bed", **{"bim.1": "data/x.bim"})
    j = b.new_job(name="read")
    j.command(f"cat {alone} {group.bed} {group['bim.1']}; echo {group}")
    b.write_output(alone, "out/alone.gz")
    b.write_output(group, "out/group")
    done = b.run()
    assert done is not None
    assert done.output("read") == f"hello.txt.gz\nx.bed\nx.bim\n{tmp_path}/data/x.b\n".replace(
        "x.b\n", "x.b\n"
    )
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        "alone.gz": "hello.txt.gz\n",
        "group.bed": "x.bed\n",
        "group.bim.1": "x.bim\n",
    }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the files in `site`."""
    (tmp_path / "site").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_input_by_url_is_read_and_written(new: Callable[..., hb.Batch], tmp_path: Path, site: str) -> None:
    (tmp_path / "site" / "x.txt").write_text("by URL\n")
    b = new("urls")
    found = b.read_input(f"{site}/x.txt")
    j = b.new_job(name="read")
    j.command(f"cat {found}")
    b.write_output(found, str(tmp_path / "copy.txt"))
    done = b.run()
    assert done is not None
    assert done.output("read") == "by URL\n"
    assert (tmp_path / "copy.txt").read_text() == "by URL\n"


def test_a_failed_job_is_named_and_what_depends_on_it_is_skipped(new: Callable[..., hb.Batch]) -> None:
    b = new("fails")
    j = b.new_job(name="bad").command("echo before; false")
    b.new_job(name="after").command("true").depends_on(j)
    with pytest.raises(hb.BatchFailedError, match=r"1 failed, 1 skipped(.|\n)*\(bad\): Exit code 1\."):
        b.run(verbose=True, delete_scratch_on_exit=False, disable_progress_bar=True)


def test_a_backend_names_the_project_and_the_folder(new: Callable[..., hb.Batch], tmp_path: Path) -> None:
    backend = hb.ServiceBackend("genomics", remote_tmpdir=str(tmp_path), google_project="g")
    b = new("project", backend)
    j = b.new_job(name="j")
    j.command(f"echo {j.ofile}; echo 1 > {j.ofile}")
    done = b.run()
    assert done is not None
    assert done.status().project == "genomics"
    assert Path(done.output("j").strip()).read_text() == "1\n"
    assert tmp_path in Path(done.output("j")).parents
    assert hb.ServiceBackend("p", remote_tmpdir="gs://bucket/tmp").folder is None


def test_it_opens_the_page_of_the_batch(
    new: Callable[..., hb.Batch], place: tuple[Installation, Connect], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    b = new("seen")
    b.new_job().command("true")
    done = b.run(open=True)
    assert done is not None
    assert done.status().state == "succeeded"
    assert opened == [f"http://127.0.0.1:{place[0].port}/batches/{done.id}"]


def test_units_and_defaults_are_those_of_hail() -> None:
    b = hb.Batch(default_storage=0, default_spot=False, default_timeout=60, default_image="debian:12")
    j = b.new_job(name="j").cpu(2).memory("highmem").n_max_attempts(3)
    assert (j.name, b.new_job().name) == ("j", None)
    one = sent(j)
    assert (one.cpu, one.memory, one.disk, one.attempts_max) == (2, 13_312, "0Mi", 3)
    assert (one.timeout_s, one.image) == (60, "debian:12")
    assert [each.key for each in one.affinity] == ["spot"]
    other = sent(b.new_job().memory(2**30).storage("1.5").cpu(None).memory(None).storage(None).regions(None))
    assert (other.cpu, other.memory, other.disk) == (1, "1024Mi", "1Mi")
    assert sent(b.new_job().memory("2G").storage("10Gi").spot(True)).memory == "2G"


def test_the_callback_of_a_run_is_that_of_the_batch(new: Callable[..., hb.Batch]) -> None:
    b = new("told")
    b.new_job().command("true")
    with pytest.raises(InvalidError, match="not a public address"):
        b.run(callback="https://10.0.0.1/hook")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda b: b.new_python_job(), r"new_python_job\(\) of Hail Batch .* Use herder.Executor"),
        (lambda b: b.new_job(shell="python3"), "shell='python3' of Hail Batch .* in the command"),
        (lambda b: b.new_job().gcsfuse("bucket", "/b"), "cloudfuse"),
        (lambda b: b.new_job().regions(["us-central1"]), "regions.* Choose a pool"),
        (lambda b: b.new_job().comand("true"), "A job has no method 'comand'. Did you mean 'command'"),
        (lambda b: b.run(batch_size=3), "batch_size"),
        (lambda b: hb.Batch(requester_pays_project="p"), "requester_pays_project"),
        (lambda b: hb.Batch(default_regions=["r"]), "default_regions"),
        (lambda b: hb.ServiceBackend(regions=["r"]), "regions"),
        (lambda b: hb.BatchPoolExecutor, "no 'BatchPoolExecutor'. Use herder.Executor"),
        (lambda b: hb.nothing, "no 'nothing'. It has Batch, "),
        (lambda b: b.new_job()["a:b"], "cannot name a file"),
        (lambda b: b.read_input("gs://bucket/x/*"), "gs://bucket/x/\\* names several files"),
    ],
)
def test_what_has_no_equal_says_what_to_write(wrong: Callable[[hb.Batch], object], says: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError), match=says):
        wrong(hb.Batch())
