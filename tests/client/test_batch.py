"""Batches that are built in Python run on real local workers: dependencies, files between jobs, results, failures, dry runs."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herder import Batch
from herder.client import HerderClient, InvalidError
from herder.client.batch import BatchFailedError, Job, ResourceFile, SubmittedBatch
from herder.client.batch.submissions import Submissions
from tests.acceptance.conftest import Installation
from tests.client.running import started
from tests.support.object_server import Web

Connect = Callable[[], HerderClient]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Connect]]:
    found = started(tmp_path_factory.mktemp("server"))
    yield found
    found[0].close()


@pytest.fixture
def new(place: tuple[Installation, Connect]) -> Callable[..., Batch]:
    def make(name: str | None = None, **more: Any) -> Batch:
        return Batch(name, default_cpu="100m", default_memory="64Mi", client=place[1], **more)

    return make


def done(batch: Batch) -> SubmittedBatch:
    found = batch.run(timeout_s=60)
    assert found is not None
    return found


def fields(job: Job) -> dict[str, Any]:
    sent = job.command("true")._submission()
    return {name: getattr(sent, name) for name in sent.__struct_fields__}


def test_a_script_of_hail_batch_runs_with_another_import(new: Callable[..., Batch], tmp_path: Path) -> None:
    batch = new(name="hello")
    names = tmp_path / "names of people.txt"
    names.write_text("Alice\nBob\n")
    listed = batch.read_input(str(names))
    greetings = []
    for greeting in ("hello", "bye"):
        job = batch.new_job(name=greeting)
        job.cpu(0.1)
        job.memory("64Mi")
        job.storage("1Mi")
        job.command(f"while read name; do echo {greeting} $name; done < {listed} > {job.ofile}")
        greetings.append(job.ofile)
    joined = batch.new_job(name="join")
    joined.command(f"cat {' '.join(map(str, greetings))} > {joined.all}")
    batch.write_output(joined.all, str(tmp_path / "out" / "it's all.txt"))
    run = done(batch)
    assert (tmp_path / "out" / "it's all.txt").read_text() == "hello Alice\nhello Bob\nbye Alice\nbye Bob\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["it's all.txt"]
    assert [job.key for job in run.jobs()] == ["hello", "bye", "join"]


def test_the_folder_of_its_files_is_gone_after_the_run(new: Callable[..., Batch], tmp_path: Path) -> None:
    batch = new()
    batch.new_job(name="where").command(f'echo -n "$HERDER_BATCH_FOLDER" > {tmp_path}/where')
    first = batch.new_job().command("true")
    first.command(f"date > {first.ofile}")
    batch.jobs[0].depends_on(first).command(f"cat {first.ofile} > {tmp_path}/seen")
    done(batch)
    assert (tmp_path / "seen").read_text()
    assert not Path((tmp_path / "where").read_text()).exists()


def test_groups_of_files_go_together(new: Callable[..., Batch], tmp_path: Path) -> None:
    batch = new()
    job = batch.new_job()
    job.declare_resource_group(ofile={"bed": "{root}.bed", "log": "{root}.log"})
    job.command(f"echo b > {job.ofile}.bed; echo l > {job.ofile}.log")
    later = batch.new_job()
    later.command(f"cat {job.ofile.bed} {job.ofile['log']} > {later.both}")  # type: ignore[union-attr,index]
    batch.write_output(job.ofile, tmp_path / "all")
    batch.write_output(later.both, tmp_path / "both")
    done(batch)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "all.bed": "b\n",
        "all.log": "l\n",
        "both": "b\nl\n",
    }


def test_results_and_output_are_read_by_name(new: Callable[..., Batch]) -> None:
    batch = new()
    batch.new_job("answer").command("echo thinking; echo '{\"answer\": 42}' > $HERDER_RESULT")
    batch.new_job("words").command(["/bin/echo", "a  b"])
    run = done(batch)
    assert run.results() == {"answer": {"answer": 42}, "words": None}
    assert run.output("answer") == "thinking\n"
    assert run.output("words") == "a  b\n"
    with pytest.raises(KeyError, match="no job of the name 'other'"):
        run.output("other")
    view = run.status()
    assert (view.state, view.jobs) == ("succeeded", 2)
    assert "succeeded" in run._repr_html_()


def test_a_failure_names_the_job_and_keeps_the_rest(new: Callable[..., Batch], tmp_path: Path) -> None:
    batch = new(name="fails")
    bad = batch.new_job("bad").command("echo before").command("false | cat").command("echo after")
    batch.new_job("below").depends_on(bad).command("true")
    batch.new_job("always").depends_on(bad).always_run().command(f"touch {tmp_path}/always")
    with pytest.raises(BatchFailedError) as failed:
        batch.run(timeout_s=60)
    assert "failed: 1 failed, 1 skipped, 1 succeeded." in str(failed.value)
    assert "(bad): Exit code 1." in str(failed.value)
    assert failed.value.batch.output("bad") == "before\n"
    assert (tmp_path / "always").exists()


def test_submitting_returns_at_once_and_cancelling_ends_it(new: Callable[..., Batch]) -> None:
    batch = new()
    batch.new_job("long").command("sleep 600")
    run = batch.submit()
    with pytest.raises(RuntimeError, match="submitted already"):
        batch.submit()
    run.cancel("enough")
    assert run.wait(60).state == "cancelled"


def test_a_dry_run_asks_the_server_and_submits_nothing(
    new: Callable[..., Batch], place: tuple[Installation, Connect], capsys: pytest.CaptureFixture[str]
) -> None:
    batch = new(name="dry")
    batch.new_job().command("true")
    assert batch.run(dry_run=True) is None
    assert "Nothing was submitted." in capsys.readouterr().out
    with place[1]() as client:
        assert "dry" not in {each.name for each in client.batches.list()}
    refused = new()
    refused.new_job().command("true").pool("nowhere")
    with pytest.raises(InvalidError, match="nowhere"):
        refused.run(dry_run=True)


def test_settings_become_fields_of_the_job() -> None:
    batch = Batch(default_timeout=60, default_pool="p")
    job = (
        batch.new_job("j")
        .cpu(2)
        .memory("highmem")
        .storage("5Gi")
        .gpu(0.5, "a100")
        .env("A", "1")
        .env("B", "2")
    )
    job.retries(3).priority("urgent").spot(False).set(cwd="/srv")
    sent = fields(job)
    assert {name: sent[name] for name in ("cpu", "memory", "disk", "gpu", "gpu_model", "env", "retries")} == {
        "cpu": 2,
        "memory": 13_312,
        "disk": "5Gi",
        "gpu": 0.5,
        "gpu_model": "a100",
        "env": {"A": "1", "B": "2"},
        "retries": 3,
    }
    assert (sent["pool"], sent["timeout_s"], sent["priority"], sent["cwd"]) == ("p", 60, "urgent", "/srv")
    assert [(each.key, each.operator, each.values) for each in sent["affinity"]] == [
        ("spot", "NotIn", ["true"])
    ]
    assert fields(batch.new_job())["memory"] == 3_840


def test_an_image_runs_its_own_shell_and_sees_the_folder_of_the_batch(
    place: tuple[Installation, Connect], tmp_path: Path
) -> None:
    batch = Batch(client=place[1], folder=tmp_path, default_image="debian:12")
    first = batch.new_job()
    first.command(f"echo 1 > {first.out}")
    batch.new_job().image("busybox").command("true")
    with place[1]() as client:
        (one, two), _ = batch._made(client)
    assert (one.image, two.image, one.command[:3]) == ("debian:12", "busybox", ["/bin/sh", "-e", "-c"])
    assert one.container is not None
    assert [(each.source, each.target) for each in one.container.mounts] == [(str(tmp_path), str(tmp_path))]


def test_a_file_of_another_job_makes_a_dependency() -> None:
    batch = Batch()
    first, second, third = (batch.new_job() for _ in range(3))
    first.command(f"echo 1 > {first.out}")
    second.command(f"cat {first.out} {second.own}")
    third.command(f"cat {second['own']}").depends_on(first)
    assert [job._submission().parents for job in batch.jobs] == [[], [0], [0, 1]]
    assert isinstance(first.out, ResourceFile)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda batch: batch.submit(), "has no jobs"),
        (lambda batch: (batch.new_job("empty"), batch.submit()), "Job empty has no command"),
        (lambda batch: batch.new_job().command("a").command(["b"]), "one form of command"),
        (lambda batch: batch.new_job().command(["cat", str(batch.new_job().out)]), "as one string"),
        (lambda batch: batch.new_job().depends_on(Batch().new_job()), "another batch"),
        (lambda batch: (job := batch.new_job()).depends_on(job), "depend on itself"),
        (lambda batch: batch.new_job().set(memmory=1), "'memmory' is not a field of a job"),
        (lambda batch: Batch(folder="here"), "absolute path"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(
    wrong: Callable[[Batch], object], says: str, place: tuple[Installation, Connect]
) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        wrong(Batch(client=place[1]))


def test_many_jobs_are_made_in_bunches_in_their_order() -> None:
    batch = Batch(default_cpu="100m")
    for number in range(250):
        batch.new_job(name="same" if number % 2 else f"job-{number}").command(f"echo {number}")
    batch.jobs[7].depends_on(batch.jobs[3])
    sent = Submissions(batch.jobs)
    whole = list(sent)
    assert len(sent) == len(whole) == 250
    assert [*sent[0:100], *sent[100:200], *sent[200:300]] == whole
    assert sent[-1] == whole[-1]
    assert [each.command[-1] for each in whole] == [f"echo {number}" for number in range(250)]
    assert [each.key for each in whole[:4]] == ["job-0", "same-1", "job-2", "same-3"]
    assert (whole[7].parents, whole[8].parents) == ([3], [])
    assert gc.isenabled()


def test_what_one_job_says_is_not_said_for_the_others() -> None:
    batch = Batch()
    first, second = batch.new_job().command("a"), batch.new_job().command("b")
    first.env("A", "1").cpu(2).retries(3)
    first.command("more")
    sent = Submissions(batch.jobs)
    assert (sent[0].env, sent[0].cpu, sent[0].retries) == ({"A": "1"}, 2, 3)
    assert (sent[1].env, sent[1].cpu, sent[1].retries) == ({}, 1, 0)
    assert sent[1].command[-1] == "b"
    assert second._files is None


def test_an_amount_that_cannot_be_read_is_refused_before_anything_is_sent() -> None:
    def nobody() -> HerderClient:
        return HerderClient("http://127.0.0.1:9", retries=0)

    batch = Batch(client=nobody)
    batch.new_job().command("true")
    batch.new_job().command("true").cpu("two")
    with pytest.raises(ValueError, match="two"):
        batch.submit()


def test_inputs_and_outputs_by_url(new: Callable[..., Batch]) -> None:
    web = Web()
    try:
        web.files["/in/names%20of%20people.txt"] = b"Alice\nBob\n"
        batch = new()
        names = batch.read_input(f"{web.url}/in/names%20of%20people.txt")
        one = batch.new_job(name="one").command(f"sort -r {names} > $PWD/sorted")
        one.command(f"cp $PWD/sorted {one.ofile}")
        batch.write_output(one.ofile, f"{web.url}/out/sorted.txt")
        batch.new_job(name="two").command("test ! -e herder-inputs")
        run = done(batch)
        assert web.files["/out/sorted.txt"] == b"Bob\nAlice\n"
        assert [asked[0] for asked in web.requests] == ["GET", "PUT"]
        run.remove_files()
    finally:
        web.close()


def test_urls_that_cannot_be_are_refused_at_once(new: Callable[..., Batch]) -> None:
    batch = new()
    with pytest.raises(ValueError, match="is not a URL of data"):
        batch.read_input("ftp://host/x")
    with pytest.raises(ValueError, match="names several files"):
        batch.read_input("s3://data/*.txt")
    with pytest.raises(ValueError, match="is not a URL of data"):
        batch.write_output(batch.new_job().ofile, "ftp://host/x")


def test_jobs_are_in_groups_with_attributes_and_one_group_is_cancelled(new: Callable[..., Batch]) -> None:
    batch = new("groups", attributes={"team": "x"})
    align = batch.group("align", cancel_after_n_failures=5)
    align.group("one").new_job("quick", attributes={"sample": "17"}).command("true")
    assert batch.group("align").path == align.path
    slow = align.group("two").new_job("slow").command("sleep 300")
    batch.new_job("after").command("true").depends_on(slow)
    submitted = batch.submit()
    assert {path: each.jobs for path, each in submitted.groups().items()} == {
        "align": 2,
        "align/one": 1,
        "align/two": 1,
    }
    assert [(job.key, job.attributes) for job in submitted.jobs(group="align/one")] == [
        ("quick", {"sample": "17"})
    ]
    submitted.cancel("too slow", group="align/two")
    view = submitted.wait(60)
    assert view.counts == {"succeeded": 1, "cancelled": 1, "skipped": 1}
    assert submitted.groups()["align/two"].state == "cancelled"
    with pytest.raises(ValueError, match="other settings"):
        batch.group("align", cancel_after_n_failures=6)


def test_a_job_that_runs_out_of_memory_gets_more(new: Callable[..., Batch]) -> None:
    """On real workers: the template has 256 MiB."""
    batch = new()
    job = batch.new_job(name="fill").memory("32Mi").on_retry(memory_factor=3)
    job.command(["python3", "-c", "import time; kept = bytearray(60 << 20); time.sleep(1); print(len(kept))"])
    other = batch.new_job(name="too much").memory("32Mi").on_retry(memory_factor=2, memory_max="48Mi")
    other.command(["python3", "-c", "import time; kept = bytearray(200 << 20); time.sleep(5)"])
    with pytest.raises(BatchFailedError) as failure:
        done(batch)
    grown, failed = failure.value.batch.jobs()
    assert (grown.state, grown.attempts, grown.memory_mib) == ("succeeded", 2, 96)
    assert (failed.state, failed.cause, failed.attempts, failed.memory_mib) == (
        "failed",
        "out_of_memory",
        2,
        48,
    )
