"""The controller of Jobs: pods up to completions, the counts in the status, deadlines, suspension, failure, and the deletion of old Jobs.

One sync writes the status in two steps, as the real one does: first which pods are about to be counted, then, when they carry no
finalizer any more, the counts.
"""

from typing import Any

from herder.testing.kubernetes.api.answers import ApiError
from herder.testing.kubernetes.api.deletion import DeleteOptions, delete
from herder.testing.kubernetes.api.verbs import Verbs, Writing
from herder.testing.kubernetes.controllers.events import record
from herder.testing.kubernetes.controllers.job_pods import (
    TRACKING,
    JobPods,
    classify,
    ended_ms,
    index_of,
    index_text,
    indexes_of,
    new_pod,
    policy_for,
    replaces_failed_only,
)
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import JOBS, PODS
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import parsed_ms, rfc3339

BACK_OFF_MS, BACK_OFF_MOST_MS = 10_000, 600_000
REFUSED_AGAIN_MS = 10_000
SOURCE = "job-controller"
DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")
BACKOFF = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")


def has(status: Json, kind: str) -> Json | None:
    return next(
        (
            each
            for each in status.get("conditions") or ()
            if each["type"] == kind and each["status"] == "True"
        ),
        None,
    )


def _say(status: Json, kind: str, value: str, why: tuple[str, str], now_ms: int) -> None:
    new = {
        "type": kind,
        "status": value,
        "lastProbeTime": rfc3339(now_ms),
        "lastTransitionTime": rfc3339(now_ms),
        "reason": why[0],
        "message": why[1],
    }
    conditions = [each for each in status.get("conditions") or () if each["type"] != kind]
    at = next((i for i, each in enumerate(status.get("conditions") or ()) if each["type"] == kind), None)
    conditions.insert(len(conditions) if at is None else at, new)
    status["conditions"] = conditions


class Jobs(Controller[Key]):
    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self._last_failure_ms: dict[str, int] = {}
        self.store.listen(JOBS, self._job_changed)
        self.store.listen(PODS, self._pod_changed)

    def _job_changed(self, change: Change) -> None:
        new, old = change.new, change.old
        if change.deleted:
            self._last_failure_ms.pop(new.uid, None)
            self.queue.add(new.key)
        elif old is None or old.deleting != new.deleting or _generation(old) != _generation(new):
            self.queue.add(new.key)

    def _pod_changed(self, change: Change) -> None:
        pod = change.new
        name = pod.labels.get("batch.kubernetes.io/job-name")
        if name and pod.owners:
            self.queue.add_at((pod.key[0], name), self.moment.now_ms + self.verbs.settings.job_batch_ms)

    # --- one Job

    def reconcile(self, key: Key, now_ms: int) -> None:
        held = self.store.get(JOBS, key)
        self._free_orphans(key, held, now_ms)
        if held is None or held.deleting:
            return
        job = held.decode()
        if has(job["status"], "Complete") or has(job["status"], "Failed"):
            self._expire(key, job, now_ms)
            return
        pods = classify(job, [each for each in self.store.owned_by(held.uid) if each.resource is PODS])
        self._sync(key, job, pods, now_ms)

    def _sync(self, key: Key, job: Json, pods: JobPods, now_ms: int) -> None:
        status, spec = job["status"], job["spec"]
        self._suspension(job, now_ms)
        if not spec["suspend"] and "startTime" not in status:
            status["startTime"] = rfc3339(now_ms)
        counts = self._count(job, pods, now_ms)
        self._judge(key, job, counts, now_ms)
        if has(status, "FailureTarget") or has(status, "SuccessCriteriaMet") or spec["suspend"]:
            self._stop_active(pods, now_ms)
        else:
            self._manage(key, job, pods, counts, now_ms)
        self._write(key, job, pods, counts, now_ms)

    def _suspension(self, job: Json, now_ms: int) -> None:
        status = job["status"]
        held = next((each for each in status.get("conditions") or () if each["type"] == "Suspended"), None)
        if job["spec"]["suspend"]:
            if held is None or held["status"] != "True":
                _say(status, "Suspended", "True", ("JobSuspended", "Job suspended"), now_ms)
                status.pop("startTime", None)
        elif held is not None and held["status"] == "True":
            _say(status, "Suspended", "False", ("JobResumed", "Job resumed"), now_ms)
            status["startTime"] = rfc3339(now_ms)

    def _count(self, job: Json, pods: JobPods, now_ms: int) -> Json:
        """Succeeded and failed, with what is about to be counted; and a failure that the policy decides."""
        status = job["status"]
        failed, fails_job = 0, ""
        for _, pod in pods.failed:
            action, message = policy_for(job, pod)
            failed += action != "Ignore"
            if action == "FailJob":
                fails_job = message
            self._last_failure_ms[job["metadata"]["uid"]] = min(now_ms, ended_ms(pod) or now_ms)
        done = indexes_of(status.get("completedIndexes", ""))
        if job["spec"]["completionMode"] == "Indexed":
            done |= {index_of(pod) for _, pod in pods.succeeded}
            succeeded = len(done)
        else:
            succeeded = status.get("succeeded", 0) + len(pods.succeeded)
        return {
            "succeeded": succeeded,
            "failed": status.get("failed", 0) + failed,
            "done": done,
            "fails_job": fails_job,
        }

    def _judge(self, key: Key, job: Json, counts: Json, now_ms: int) -> None:
        """Whether it is about to complete or to fail."""
        status, spec = job["status"], job["spec"]
        if has(status, "FailureTarget") or has(status, "SuccessCriteriaMet"):
            return
        deadline_s = spec.get("activeDeadlineSeconds")
        due_ms = None
        if deadline_s is not None and "startTime" in status and not spec["suspend"]:
            due_ms = parsed_ms(status["startTime"]) + deadline_s * 1000
            self.queue.add_at(key, due_ms)
        if counts["fails_job"]:
            _say(status, "FailureTarget", "True", ("PodFailurePolicy", counts["fails_job"]), now_ms)
        elif counts["failed"] > spec["backoffLimit"]:
            _say(status, "FailureTarget", "True", BACKOFF, now_ms)
        elif due_ms is not None and now_ms >= due_ms:
            _say(status, "FailureTarget", "True", DEADLINE, now_ms)
        elif self._reached(spec, counts["succeeded"]):
            _say(status, "SuccessCriteriaMet", "True", REACHED, now_ms)

    @staticmethod
    def _reached(spec: Json, succeeded: int) -> bool:
        completions = spec.get("completions")
        if completions is None:
            return succeeded > 0
        return bool(succeeded >= completions)

    def _stop_active(self, pods: JobPods, now_ms: int) -> None:
        for stored, _ in pods.active:
            delete(self.verbs, PODS, stored.key, now_ms)
            if self.store.get(PODS, stored.key) is not None:
                pods.terminating += 1
        pods.active, pods.ready = [], 0

    def _manage(self, key: Key, job: Json, pods: JobPods, counts: Json, now_ms: int) -> None:
        """Create what lacks and delete what is too much."""
        spec = job["spec"]
        completions, succeeded = spec.get("completions"), counts["succeeded"]
        wanted = spec["parallelism"]
        if completions is not None:
            wanted = min(wanted, completions - succeeded)
        elif succeeded:
            wanted = min(wanted, len(pods.active))
        missing = wanted - len(pods.active)
        if replaces_failed_only(job):
            missing -= pods.terminating
        for stored, _ in pods.active[: max(0, -missing)]:
            delete(self.verbs, PODS, stored.key, now_ms)
        wait_ms = self._back_off_ms(job, counts["failed"])
        if missing > 0 and now_ms < wait_ms:
            self.queue.add_at(key, wait_ms)
            return
        for index in self._places(job, pods, counts["done"], missing):
            if not self._create(key, job, pods, index, now_ms):
                return

    def _places(self, job: Json, pods: JobPods, done: set[int], missing: int) -> list[int | None]:
        if job["spec"]["completionMode"] != "Indexed":
            return [None] * max(0, missing)
        free = [each for each in range(job["spec"]["completions"]) if each not in done | pods.indexes]
        return list(free[: max(0, missing)])

    def _back_off_ms(self, job: Json, failed: int) -> int:
        last_ms = self._last_failure_ms.get(job["metadata"]["uid"])
        if not failed or last_ms is None:
            return 0
        return last_ms + min(BACK_OFF_MS << min(failed - 1, 10), BACK_OFF_MOST_MS)

    def _create(self, key: Key, job: Json, pods: JobPods, index: int | None, now_ms: int) -> bool:
        try:
            made = self.verbs.create(PODS, key[0], new_pod(job, index), Writing(now_ms=now_ms))
        except ApiError as error:
            record(
                self.verbs,
                self.verbs.must_get(JOBS, key),
                "FailedCreate",
                f"Error creating: {error.message}",
                SOURCE,
                now_ms,
            )
            self.queue.add_at(key, now_ms + REFUSED_AGAIN_MS)
            return False
        stored = self.verbs.must_get(PODS, (key[0], made["metadata"]["name"]))
        pods.active.append((stored, made))
        return True

    # --- status

    def _write(self, key: Key, job: Json, pods: JobPods, counts: Json, now_ms: int) -> None:
        status = job["status"]
        status.pop("active", None)
        if pods.active:
            status["active"] = len(pods.active)
        status["terminating"], status["ready"] = pods.terminating, pods.ready
        uncounted: Json = {}
        if pods.succeeded:
            uncounted["succeeded"] = [stored.uid for stored, _ in pods.succeeded]
        if pods.failed:
            uncounted["failed"] = [stored.uid for stored, _ in pods.failed]
        status["uncountedTerminatedPods"] = uncounted
        if uncounted:
            self._put(key, status)
            for stored, _ in (*pods.succeeded, *pods.failed):
                self._untrack(stored, now_ms)
            status["uncountedTerminatedPods"] = {}
            for name in ("succeeded", "failed"):
                if counts[name]:
                    status[name] = counts[name]
            if counts["done"]:
                status["completedIndexes"] = index_text(counts["done"])
        self._finish(status, pods, now_ms)
        self._put(key, status)
        if has(status, "Complete") or has(status, "Failed"):
            self.queue.add(key)

    def _finish(self, status: Json, pods: JobPods, now_ms: int) -> None:
        """The end is said when no pod is left that may still run."""
        if pods.terminating or pods.active:
            return
        if failing := has(status, "FailureTarget"):
            _say(status, "Failed", "True", (failing["reason"], failing["message"]), now_ms)
        elif has(status, "SuccessCriteriaMet"):
            _say(status, "Complete", "True", REACHED, now_ms)
            status["completionTime"] = rfc3339(now_ms)

    def _put(self, key: Key, status: Json) -> None:
        held = self.store.get(JOBS, key)
        if held is None:
            return
        job = held.decode()
        if job["status"] != status:
            self.store.put(JOBS, {**job, "status": status})

    def _untrack(self, stored: Stored, now_ms: int) -> None:
        held = self.store.get(PODS, stored.key)
        if held is None:
            return
        pod = held.decode()
        rest = [each for each in pod["metadata"].get("finalizers") or () if each != TRACKING]
        pod["metadata"].pop("finalizers", None)
        if rest:
            pod["metadata"]["finalizers"] = rest
        self.verbs.change(PODS, stored.key, now_ms, pod)

    # --- the end

    def _free_orphans(self, key: Key, job: Stored | None, now_ms: int) -> None:
        """Pods of a Job that is gone or going are counted nowhere."""
        if job is not None and not job.deleting:
            return
        for stored in list(self.store.all(PODS, key[0])):
            if (
                stored.labels.get("batch.kubernetes.io/job-name") == key[1]
                and TRACKING.encode() in stored.body
            ):
                self._untrack(stored, now_ms)

    def _expire(self, key: Key, job: Json, now_ms: int) -> None:
        ttl_s: Any = job["spec"].get("ttlSecondsAfterFinished")
        ended = has(job["status"], "Complete") or has(job["status"], "Failed")
        if ttl_s is None or ended is None:
            return
        due_ms = parsed_ms(ended["lastTransitionTime"]) + ttl_s * 1000
        if now_ms < due_ms:
            self.queue.add_at(key, due_ms)
        else:
            delete(self.verbs, JOBS, key, now_ms, DeleteOptions(propagation="Foreground"))


def _generation(stored: Stored) -> int:
    return int(stored.decode()["metadata"].get("generation", 0))
