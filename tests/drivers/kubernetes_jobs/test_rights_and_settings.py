"""The role in the documents is enough and nothing of it is superfluous; settings that cannot be are refused with their names; what the
manifest of a Job says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.app import whole_app
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.main import run
from herder.drivers import registry
from herder.drivers.kubernetes_jobs import KubernetesJobsDriver
from herder.drivers.kubernetes_jobs.manifest import job_of, secret_of, tags_in
from herder.drivers.kubernetes_jobs.rights import NEEDED, documented, manifests
from herder.drivers.kubernetes_jobs.settings import KubernetesJobsSettings, tolerations_in
from herder.model.fleet.cluster import ClusterSettings as Settings
from herder.model.fleet.driver import DriverContext, DriverError, NotFound, Phase, Unauthorised
from herder.model.fleet.driver_capabilities import capabilities
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources
from herder.remote.kubernetes.calls import ACCESS_REVIEWS, Call, Right
from herder.testing.kubernetes import ClusterSettings
from herder.testing.kubernetes.rights.users import service_account
from tests.drivers.kubernetes_jobs.lab import NAMESPACE, SETTINGS, Lab, spec, start

TOKEN = "token-of-herder-jobs"
_PLURALS = {"ServiceAccount": "serviceaccounts", "Role": "roles", "RoleBinding": "rolebindings"}
ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/herder-jobs"
OF_EVERYBODY = Call(verb="create", resource=ACCESS_REVIEWS).right


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(ClusterSettings(job_pod_runs_ms=3_600_000))
    made.do(lambda cluster, _: cluster.tokens.add(TOKEN, service_account(NAMESPACE, "herder-jobs")))
    for each in YAML(typ="safe").load_all(manifests(NAMESPACE)):
        if each["kind"] != "Namespace":  # it exists
            group, _, version = each["apiVersion"].rpartition("/")
            prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
            made.post(f"{prefix}/namespaces/{NAMESPACE}/{_PLURALS[each['kind']]}", each)
    yield made
    made.close()


def everything(lab: Lab, driver: KubernetesJobsDriver) -> None:
    """All verbs and capabilities, each with something to do."""
    worker = WorkerName("pool-1-0")
    driver.health()
    assert driver.quotas() == []
    driver.create(spec(), start())
    driver._api.events_of("asked only for a Job without a pod")
    lab.until_phase(driver, worker, Phase.RUNNING)
    driver.list()
    driver.console(worker)
    driver.delete(worker)
    lab.until(lambda: lab.of_worker(worker) == [])


def test_the_role_is_enough_and_nothing_else_is_asked_for(lab: Lab) -> None:
    driver, used = lab.driver(token=TOKEN), set[Right]()
    kept = driver._connection.call

    def call(asked: Call, **more: Any) -> bytes:
        used.add(asked.right)
        return kept(asked, **more)

    driver._connection.call = call
    everything(lab, driver)
    # A patch that applies may create, so the API asks for both rights.
    assert used | {right for right in NEEDED if str(right) == "create secrets"} == set(NEEDED)
    assert all(check.passed for check in driver.checks())
    assert OF_EVERYBODY in used


@pytest.mark.parametrize("right", NEEDED, ids=str)
def test_each_right_is_needed_and_its_lack_is_named(lab: Lab, right: Right) -> None:
    status, role = lab.ask("GET", ROLE)
    assert status == 200
    for rule in role["rules"]:
        if right.group in rule["apiGroups"] and right.resource in rule["resources"]:
            rule["verbs"].remove(right.verb)
    lab.ask("PUT", ROLE, role)
    driver = lab.driver(token=TOKEN)
    with pytest.raises(DriverError) as caught:
        everything(lab, driver)
    assert isinstance(caught.value, Unauthorised)
    assert "to the Role of Herder in namespace herder: herder cluster manifests --jobs herder." in str(
        caught.value
    )
    (failed,) = [check for check in driver.checks() if not check.passed]
    assert failed.name == str(right)
    assert right.rule in failed.remedy
    assert "herder cluster manifests --jobs herder" in failed.remedy


def test_what_it_can_do_is_said() -> None:
    assert set(capabilities(KubernetesJobsDriver)) >= {"Checks", "Console", "Quotas"}


def test_the_page_shows_the_role() -> None:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "kubernetes-jobs.md"
    assert documented() in page.read_text()


def test_the_command_line_prints_the_role_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(whole_app(), ["cluster", "manifests", "--jobs", NAMESPACE]) == 0
    assert f"```yaml\n{capsys.readouterr().out}```\n" == documented()
    assert run(whole_app(), ["cluster", "manifests", "--jobs", "team-a"]) == 0
    assert capsys.readouterr().out == manifests("team-a")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jobs", "No_Way"], "'No_Way' is not a name of a namespace"),
        (["--jobs", "a\nkind: ClusterRole"], "is not a name of a namespace"),
        (["prod", "--jobs", "herder"], "--jobs needs no cluster and no file."),
    ],
)
def test_what_is_no_namespace_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(whole_app(), ["cluster", "manifests", *words]) == Code.USAGE
    shown = capsys.readouterr()
    assert (told in shown.err, shown.out) == (True, "")


# --- settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs the setting 'image'"),
        ({"image": "a b"}, "is not the name of an image"),
        ({"image": "x", "namespace": "No_Way"}, "namespace 'No_Way' is not a name of Kubernetes"),
        ({"image": "x", "node_selector": "disk"}, "write key=value"),
        ({"image": "x", "labels": "herder.dev/worker=me"}, "set by Herder itself"),
        ({"image": "x", "tolerations": "a=b:Sometimes"}, "NoSchedule, PreferNoSchedule, NoExecute"),
        ({"image": "x", "kubeconfig": "a", "api": "https://b"}, "reached in one way only"),
        ({"image": "x", "api": "https://b"}, "set token_file or token_env"),
        ({"image": "x", "api": "https://b:99999", "token_env": "T"}, "is not the address of an API server"),
        ({"image": "x", "api": "http://[b", "token_env": "T"}, "is not the address of an API server"),
        ({"image": "x", "api": "b:6443", "token_env": "T"}, "is not the address of an API server"),
        ({"image": "x", "active_deadline_s": "5"}, "active_deadline_s must be from 60"),
        ({"image": "x", "cpu_limit_factor": "0.5"}, "must be 0, which means no limit"),
        ({"image": "x", "pull_policy": "often"}, "Always, IfNotPresent or Never"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, str], words: str) -> None:
    faults = registry.settings_faults("kubernetes-jobs", settings)
    assert faults, "they are possible"
    assert any(words in fault.message for fault in faults), faults


def test_a_cluster_is_named_or_described(lab: Lab, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(lab.server.kubeconfig())
    clusters = {"prod": Settings(name="prod", kubeconfig=str(kubeconfig))}
    context = DriverContext(name="jobs", clusters=clusters)
    for settings in ({"cluster": "prod"}, {"kubeconfig": str(kubeconfig)}):
        made = registry.open_driver("kubernetes-jobs", {"image": "x", **settings}, context)
        made.health()
        made.close()
    with pytest.raises(registry.BadSettings, match="there is no cluster 'other' under clusters"):
        registry.open_driver("kubernetes-jobs", {"image": "x", "cluster": "other"}, context)


# --- the manifest


def test_the_job_says_what_was_asked_for() -> None:
    settings = KubernetesJobsSettings(
        image="herder:1",
        service_account="runner",
        node_selector="disk=ssd",
        tolerations="nvidia.com/gpu=true:NoSchedule, spot",
        priority_class="burst-workload",
        labels="team=a",
        annotations="note=free text",
        pull_secrets="registry",
    )
    wanted = spec(allocatable=Resources(1500, 512, 2048, 1), zone="a", driver_options=(("image", "cuda:2"),))
    job = job_of(settings, "here", wanted, start())
    job_spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert [
        job_spec[key] for key in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
    ] == [
        0,
        86_400,
        300,
    ]
    assert {rule["action"] for rule in job_spec["podFailurePolicy"]["rules"]} == {"FailJob"}
    assert pod["nodeSelector"] == {"disk": "ssd", "topology.kubernetes.io/zone": "a"}
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists"},
    ]
    assert (pod["restartPolicy"], pod["serviceAccountName"]) == ("Never", "runner")
    assert (pod["priorityClassName"], pod["imagePullSecrets"]) == ("burst-workload", [{"name": "registry"}])
    assert (container["image"], container["command"]) == ("cuda:2", ["herder", "agent", "--one-job"])
    assert container["resources"] == {
        "requests": {"cpu": "1500m", "memory": "576Mi", "ephemeral-storage": "2048Mi", "nvidia.com/gpu": "1"},
        "limits": {
            "cpu": "3000m",
            "memory": "576Mi",
            "ephemeral-storage": "2048Mi",
            "nvidia.com/gpu": "1",
        },
    }
    assert start().activation_token not in str(job)
    assert job["metadata"]["labels"]["team"] == "a"
    tags = tags_in(job["metadata"]["annotations"])
    assert tags is not None
    assert (tags.pool, tags.template, tags.zone) == ("pool", "small", "a")


def test_kubernetes_knows_every_field_of_the_manifests(lab: Lab) -> None:
    settings = KubernetesJobsSettings(
        image="x", tolerations="spot", node_selector="disk=ssd", pull_secrets="registry"
    )
    wanted = spec(allocatable=Resources(1500, 512, 2048, 1), zone="a")
    for path, body in (
        (f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", job_of(settings, "here", wanted, start())),
        (f"/api/v1/namespaces/{NAMESPACE}/secrets", secret_of("here", wanted, start(), "u-1")),
    ):
        status, made = lab.ask("POST", path, body, fieldValidation="Strict")
        assert status == 201, made


def test_the_usual_settings_add_nothing() -> None:
    pod = job_of(SETTINGS, "here", spec(), start())["spec"]["template"]["spec"]
    assert not {"nodeSelector", "tolerations", "priorityClassName", "serviceAccountName"} & pod.keys()
    assert tolerations_in("") == []


def test_a_job_of_that_name_that_is_not_ours_is_left_alone(lab: Lab) -> None:
    driver = lab.driver()
    job = job_of(SETTINGS, "lab", spec(), start())
    job["metadata"]["annotations"] = {}
    lab.post(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", job)
    for ask in (
        lambda: driver.create(spec(), start()),
        lambda: driver.get(WorkerName("pool-1-0")),
        lambda: driver.delete(WorkerName("pool-1-0")),
    ):
        with pytest.raises(DriverError, match="was not made for worker pool-1-0") as caught:
            ask()
        assert not isinstance(caught.value, NotFound)
    assert len(lab.items("batch/v1/jobs")) == 1
