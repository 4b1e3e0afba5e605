"""Watches: resume, selectors, bookmarks, time-outs, versions that are too old or not there yet, and watches that go wrong."""

from __future__ import annotations

import json

import pytest

from herder.testing.kubernetes.api import watches
from herder.testing.kubernetes.api.watches import Watch
from tests.kubernetes.clusters import Asked, Event, Virtual
from tests.kubernetes.objects import config, configs_path, pod, pods_path


def named(events: list[Event]) -> list[tuple[str, str]]:
    return [(each.type, each.object["metadata"].get("name", "")) for each in events]


def label(cluster: Asked, namespace: str, name: str, **labels: str | None) -> None:
    cluster.send("PATCH", configs_path(namespace, name), {"metadata": {"labels": labels}})


def test_a_watch_resumes_after_a_version(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("before"))
    first = cluster.send("POST", configs_path(namespace), config("a"))
    cluster.send("POST", configs_path(namespace), config("b"))
    cluster.send("DELETE", configs_path(namespace, "a"))
    events = cluster.watch(configs_path(namespace), resourceVersion=str(first.version), timeoutSeconds="1")
    assert named(events) == [("ADDED", "b"), ("DELETED", "a")]


def test_a_deleted_object_has_the_version_of_its_deletion(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", configs_path(namespace), config("a"))
    cluster.send("DELETE", configs_path(namespace, "a"))
    (event,) = cluster.watch(configs_path(namespace), resourceVersion=str(made.version), timeoutSeconds="1")
    assert int(event.object["metadata"]["resourceVersion"]) > made.version


def test_what_leaves_a_selection_is_deleted_and_what_comes_is_added(cluster: Asked, namespace: str) -> None:
    start = cluster.send("POST", configs_path(namespace), config("a", {"app": "web"})).version
    label(cluster, namespace, "a", x="1")
    label(cluster, namespace, "a", app="other")
    label(cluster, namespace, "a", app="web")
    query = {"labelSelector": "app=web", "resourceVersion": str(start), "timeoutSeconds": "1"}
    events = cluster.watch(configs_path(namespace), **query)
    assert [each.type for each in events] == ["MODIFIED", "DELETED", "ADDED"]


def test_without_a_version_it_begins_with_what_is_there(cluster: Asked, namespace: str) -> None:
    cluster.send("POST", configs_path(namespace), config("a", {"mine": "1"}))
    actions = [(0.3, lambda: cluster.send("POST", configs_path(namespace), config("b", {"mine": "1"})))]
    events = cluster.watch(configs_path(namespace), actions, timeoutSeconds="1", labelSelector="mine")
    assert named(events) == [("ADDED", "a"), ("ADDED", "b")]


def test_it_ends_by_its_time_out(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", configs_path(namespace), config("a"))
    query = {"resourceVersion": str(made.version), "timeoutSeconds": "1"}
    assert cluster.watch(configs_path(namespace), **query) == []


def test_a_bookmark_tells_the_version_before_the_end(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", configs_path(namespace), config("a"))
    query = {"resourceVersion": str(made.version), "timeoutSeconds": "6", "allowWatchBookmarks": "true"}
    events = cluster.watch(configs_path(namespace), labelSelector="none=at-all", **query)
    assert [each.type for each in events] == ["BOOKMARK"]
    assert int(events[0].object["metadata"]["resourceVersion"]) >= made.version
    assert events[0].after_s > 3


def test_a_streamed_list_ends_in_a_bookmark(cluster: Asked, namespace: str) -> None:
    for name in ("a", "b"):
        cluster.send("POST", configs_path(namespace), config(name, {"mine": "1"}))
    query = {
        "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true",
        "timeoutSeconds": "1", "labelSelector": "mine",
    }  # fmt: skip
    events = cluster.watch(configs_path(namespace), **query)
    assert named(events) == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")]
    assert events[-1].object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_bookmark_comes_each_minute(virtual: Virtual) -> None:
    query = {"resourceVersion": str(virtual.cluster.store.version), "allowWatchBookmarks": "true"}
    events = virtual.watch(configs_path("default"), timeoutSeconds="200", **query)
    assert [round(each.after_s) for each in events] == [60, 120, 180, 198]


def test_a_version_that_is_too_old_is_an_error_event_with_410(virtual: Virtual) -> None:
    old = virtual.send("POST", configs_path("default"), config("a")).version
    virtual.send("POST", configs_path("default"), config("b"))
    virtual.cluster.compact()
    (event,) = virtual.watch(configs_path("default"), resourceVersion=str(old), timeoutSeconds="5")
    assert event.type == "ERROR"
    assert (event.object["kind"], event.object["code"], event.object["reason"]) == ("Status", 410, "Expired")
    assert event.object["message"].startswith(f"too old resource version: {old} (")


def test_old_history_is_forgotten_by_itself(virtual: Virtual) -> None:
    virtual.cluster.store._history_most = 10
    old = virtual.send("POST", configs_path("default"), config("a")).version
    for number in range(30):
        label(virtual, "default", "a", x=str(number))
    (event,) = virtual.watch(configs_path("default"), resourceVersion=str(old), timeoutSeconds="5")
    assert event.object["code"] == 410
    newest = virtual.watch(
        configs_path("default"), resourceVersion=str(virtual.cluster.store.version - 3), timeoutSeconds="1"
    )
    assert len(newest) == 3


def test_a_list_of_a_version_that_is_not_there_yet_times_out(cluster: Asked, namespace: str) -> None:
    now = cluster.send("GET", configs_path(namespace)).version
    query = {"resourceVersion": str(now + 1_000_000_000), "resourceVersionMatch": "NotOlderThan"}
    early = cluster.send("GET", configs_path(namespace), **query)
    assert (early.status, early.body["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")
    assert early.body["details"]["retryAfterSeconds"] == 1


def test_metadata_can_be_watched_alone(cluster: Asked, namespace: str) -> None:
    made = cluster.send("POST", configs_path(namespace), config("a", x="1"))
    assert made.status == 201
    if isinstance(cluster, Virtual):
        accept = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
        watch = cluster.open("GET", configs_path(namespace), headers=accept, watch="true")
        event = json.loads(watch.take()[-1])
        assert event["object"]["kind"] == "PartialObjectMetadata"
        assert "data" not in event["object"]


def test_fields_select_in_a_watch(virtual: Virtual) -> None:
    gate = [{"name": "herder.dev/test"}]
    virtual.send("POST", pods_path("default"), pod("a", schedulingGates=gate))
    start = str(virtual.cluster.store.version)
    virtual.send("POST", pods_path("default"), pod("b", schedulingGates=gate))
    virtual.send("DELETE", pods_path("default", "a"))
    query = {"fieldSelector": "metadata.name=a", "resourceVersion": start, "timeoutSeconds": "1"}
    assert {name for _, name in named(virtual.watch(pods_path("default"), **query))} == {"a"}


def test_a_stalled_watch_says_nothing_and_does_not_end(virtual: Virtual) -> None:
    watch = virtual.open(
        "GET", configs_path("default"), watch="true", timeoutSeconds="5", resourceVersion="1"
    )
    assert isinstance(watch, Watch)
    watch.take()
    assert virtual.cluster.stall_watches() == 1
    virtual.send("POST", configs_path("default"), config("a"))
    virtual.sleep(60)
    assert watch.take() == []
    assert not watch.ended


def test_a_restart_breaks_watches_and_keeps_versions(virtual: Virtual) -> None:
    made = virtual.send("POST", configs_path("default"), config("a"))
    watch = virtual.open("GET", configs_path("default"), watch="true", resourceVersion=str(made.version))
    virtual.cluster.restart(virtual.now_ms)
    assert watch.cut
    later = virtual.send("POST", configs_path("default"), config("b"))
    assert later.version > made.version
    events = virtual.watch(configs_path("default"), resourceVersion=str(made.version), timeoutSeconds="1")
    assert named(events) == [("ADDED", "b")]


def test_whoever_does_not_read_is_cut_off(virtual: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "WAITING_MOST", 5)
    start = str(virtual.cluster.store.version)
    watch = virtual.open("GET", configs_path("default"), watch="true", resourceVersion=start)
    for number in range(10):
        virtual.send("POST", configs_path("default"), config(f"a{number}"))
    assert watch.cut
