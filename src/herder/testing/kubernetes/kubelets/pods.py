"""The pods of all machines: start, run, restart, stop. A step is taken when the kubelets are called; nothing waits here."""

from collections.abc import Callable

from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.events import record
from herder.testing.kubernetes.controllers.queue import Queue
from herder.testing.kubernetes.kubelets import statuses
from herder.testing.kubernetes.kubelets.outcomes import (
    KILL_CODE,
    LOST_CODE,
    TERM_CODE,
    Outcome,
    image_missing,
    outcome_of,
    owned_by_job,
)
from herder.testing.kubernetes.kubelets.plays import Container, Play
from herder.testing.kubernetes.kubelets.processes import CannotStart, Process, has_command
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import PODS
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import parsed_ms

BACK_OFF_MS, BACK_OFF_MOST_MS = 10_000, 300_000


def back_off_ms(times: int) -> int:
    return min(BACK_OFF_MS << min(max(0, times - 1), 10), BACK_OFF_MOST_MS)


class PodRunner:
    def __init__(self, verbs: Verbs, queue: Queue[tuple[str, Key]]) -> None:
        self._verbs, self._queue = verbs, queue
        self.plays: dict[Key, Play] = {}
        self.containers: Callable[[Json], Container | None] = self._process
        """What runs in a pod; None: it is played from its annotations. Raises CannotStart."""
        self.unpullable: set[str] = set()
        """Images that cannot be pulled now."""

    def _process(self, pod: Json) -> Container | None:
        if self._verbs.settings.run_commands and has_command(pod):
            return Process(self._verbs.store, pod)
        return None

    # --- running

    def go_on(self, stored: Stored, machine: str, now_ms: int) -> None:
        play = self.plays.get(stored.key)
        if play is None or play.uid != stored.uid:
            play = self._begin(stored, machine, now_ms)
        if self._too_long(stored, play, now_ms):
            return
        if play.started_ms is None:
            if now_ms < play.start_ms:
                self._later(stored.key, play.start_ms)
            else:
                self._start(stored, play, now_ms)
            return
        end = play.ended(now_ms)
        if end is not None:
            self._ended(stored, play, end, now_ms)
        elif play.process is not None:
            self._ask_later(stored.key, play.process, now_ms)
        elif play.end_ms is not None:
            self._later(stored.key, play.end_ms)

    def _begin(self, stored: Stored, machine: str, now_ms: int) -> Play:
        self.drop(stored.key)
        settings, pod = self._verbs.settings, stored.decode()
        play = Play(
            uid=stored.uid,
            machine=machine,
            outcome=outcome_of(pod, settings),
            start_ms=now_ms + settings.image_pull_ms + settings.start_pod_ms,
        )
        self.plays[stored.key] = play
        return play

    def _start(self, stored: Stored, play: Play, now_ms: int) -> None:
        pod = stored.decode()
        if missing := self._missing(pod):
            self._pull_failed(stored, pod, play, missing, now_ms)
            return
        try:
            play.process = self.containers(pod)
        except CannotStart as error:
            if error.reason == "StartError":
                play.started_ms = now_ms
                self._ended(stored, play, (128, "StartError"), now_ms)
            else:
                self._put(pod, statuses.waiting(pod, error.reason, error.message, now_ms))
                play.start_ms = now_ms + BACK_OFF_MS
                self._later(stored.key, play.start_ms)
            return
        play.started_ms = now_ms
        last = None
        if play.restarts and (held := (pod["status"].get("containerStatuses") or [{}])[0]):
            last = held.get("lastState") or None
        self._put(pod, statuses.running(pod, now_ms, play.restarts, last))

    def _missing(self, pod: Json) -> str:
        images = (str(each.get("image", "")) for each in pod["spec"]["containers"])
        return image_missing(pod) or next((image for image in images if image in self.unpullable), "")

    def _pull_failed(self, stored: Stored, pod: Json, play: Play, image: str, now_ms: int) -> None:
        play.pull_failures += 1
        first = play.pull_failures == 1
        reason = "ErrImagePull" if first else "ImagePullBackOff"
        message = f'failed to pull and unpack image "{image}": not found'
        if not first:
            message = f'Back-off pulling image "{image}": ErrImagePull: {message}'
        self._put(pod, statuses.waiting(pod, reason, message, now_ms))
        if play.pull_failures <= 2:
            record(self._verbs, stored, "Failed", message, "kubelet", now_ms)
        play.start_ms = now_ms + back_off_ms(play.pull_failures)
        self._later(stored.key, play.start_ms)

    def _ended(self, stored: Stored, play: Play, end: tuple[int, str], now_ms: int) -> None:
        pod = stored.decode()
        code, reason = end
        started_ms = play.started_ms if play.started_ms is not None else now_ms
        if play.process is None and play.end_ms is not None:
            now_ms = max(now_ms, play.end_ms)
        state = statuses.terminated(code, reason, started_ms, now_ms)
        policy = pod["spec"]["restartPolicy"]
        play.clear()
        if policy == "Never" or (policy == "OnFailure" and code == 0):
            self._put(pod, statuses.ended(pod, state, now_ms, play.restarts))
            return
        play.restarts += 1
        play.started_ms = None
        play.outcome = outcome_of(pod, self._verbs.settings)
        play.start_ms = now_ms + back_off_ms(play.restarts)
        last = {"terminated": state}
        text = f"back-off {back_off_ms(play.restarts) // 1000}s restarting failed container"
        self._put(pod, statuses.waiting(pod, "CrashLoopBackOff", text, now_ms, play.restarts, last))
        self._later(stored.key, play.start_ms)

    def _too_long(self, stored: Stored, play: Play, now_ms: int) -> bool:
        """activeDeadlineSeconds of the pod itself."""
        if b'"activeDeadlineSeconds"' not in stored.body:
            return False
        pod = stored.decode()
        seconds, since = pod["spec"].get("activeDeadlineSeconds"), pod["status"].get("startTime")
        if seconds is None or since is None:
            return False
        due_ms = parsed_ms(since) + seconds * 1000
        if now_ms < due_ms:
            self._later(stored.key, due_ms)
            return False
        play.clear()
        state = statuses.terminated(KILL_CODE, "Error", play.started_ms or now_ms, now_ms)
        status = statuses.ended(pod, state, now_ms, play.restarts)
        text = "Pod was active on the node longer than the specified deadline"
        self._put(pod, status | {"reason": "DeadlineExceeded", "message": text})
        return True

    def lost(self, stored: Stored, machine: str) -> None:
        """Its machine restarts: a container that ran ends now, and nobody saw how."""
        if stored.key in self.plays or stored.fields["status.phase"] != "Running":
            return
        started_ms = parsed_ms(stored.decode()["status"]["startTime"])
        outcome = Outcome(run_ms=0, exit_code=LOST_CODE, reason="Unknown")
        self.plays[stored.key] = Play(
            uid=stored.uid, machine=machine, outcome=outcome, start_ms=started_ms, started_ms=started_ms
        )

    # --- stopping

    def stopped(self, stored: Stored, now_ms: int) -> bool:
        """Whether a pod that is being deleted runs no more. Asks it to stop at first."""
        play = self.plays.get(stored.key)
        if play is None or play.started_ms is None:
            self._say_failed(stored, play, None, now_ms)
            return True
        pod = stored.decode()
        grace_ms = pod["metadata"].get("deletionGracePeriodSeconds", 0) * 1000
        if not play.stopping:
            play.stopping = True
            play.stopped_ms = now_ms + (grace_ms if play.process else min(grace_ms, play.outcome.stop_ms))
            if play.process is not None:
                play.process.stop()
        end = play.ended(now_ms) if play.process is not None else None
        late = play.stopped_ms is not None and now_ms >= play.stopped_ms
        if end is None and not late and grace_ms:
            self._later(stored.key, play.stopped_ms or now_ms)
            if play.process is not None:
                self._ask_later(stored.key, play.process, now_ms)
            return False
        play.clear()
        late_code = KILL_CODE if play.outcome.stop_ms > grace_ms or end is None else TERM_CODE
        self._say_failed(stored, play, end[0] if end is not None else late_code, now_ms)
        return True

    def _say_failed(self, stored: Stored, play: Play | None, code: int | None, now_ms: int) -> None:
        """A pod of a Job, or one that ran a process, says how it ended before it goes."""
        pod = stored.decode()
        if pod["status"].get("phase") in ("Succeeded", "Failed"):
            return
        if not owned_by_job(pod) and not (self._verbs.settings.run_commands and has_command(pod)):
            return
        started_ms = play.started_ms if play is not None and play.started_ms is not None else now_ms
        if code is None:
            pod["status"]["phase"] = "Failed"
            self._verbs.store.put(PODS, pod)
            return
        state = statuses.terminated(code, "Completed" if code == 0 else "Error", started_ms, now_ms)
        self._put(pod, statuses.ended(pod, state, now_ms, play.restarts if play is not None else 0))

    # --- the rest

    def _ask_later(self, key: Key, container: Container, now_ms: int) -> None:
        if container.poll_ms is not None:
            self._later(key, now_ms + container.poll_ms)

    def _later(self, key: Key, at_ms: int) -> None:
        self._queue.add_at(("pod", key), at_ms)

    def _put(self, pod: Json, status: Json) -> None:
        self._verbs.store.put(PODS, {**pod, "status": status})

    def log_of(self, stored: Stored, _container: str) -> bytes | None:
        play = self.plays.get(stored.key)
        if play is None or (play.started_ms is None and not play.restarts):
            ended = stored.fields["status.phase"] in ("Succeeded", "Failed")
            return (play.log() if play is not None else b"") if ended else None
        return play.log()

    def drop(self, key: Key) -> None:
        play = self.plays.pop(key, None)
        if play is not None:
            play.clear()

    def drop_machine(self, machine: str) -> None:
        for key in [key for key, play in self.plays.items() if play.machine == machine]:
            self.drop(key)

    def close(self) -> None:
        for key in list(self.plays):
            self.drop(key)
