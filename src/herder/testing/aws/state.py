"""A region of AWS on a time that is given: its instances and volumes, and what happens to them by themselves or by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from herder.testing.fakes.faults import Faults, Rule
from herder.testing.fakes.timeline import Timeline

Form = dict[str, str]
ACCESS_KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
IMAGE = "ami-0123456789abcdef0"
START_MS, STOP_MS, NOTICE_MS, FORGOTTEN_MS = 8_000, 5_000, 120_000, 3_600_000
#: AWS promises that a client token is known at least so long after the end of its instance.
TOKEN_MS = 24 * 3_600_000
PAGE_TOKEN_MS = 600_000


@dataclass(slots=True, kw_only=True, eq=False)
class Instance:
    id: str
    form: Form
    began_ms: int
    zone: str
    cpus: int
    state: str = "pending"
    reason: tuple[str, str] = ("", "")
    interrupted_ms: int | None = None
    """Since when AWS is taking it back."""
    ended_ms: int | None = None
    console: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.id

    @property
    def spot(self) -> bool:
        return self.form.get("InstanceMarketOptions.MarketType") == "spot"

    @property
    def counts(self) -> bool:
        return self.state not in ("terminated", "shutting-down")


@dataclass(slots=True, kw_only=True, eq=False)
class Volume:
    id: str
    began_ms: int
    tags: dict[str, str]
    user: str
    """The instance; empty: none."""
    stays: bool
    """Whether it stays when its instance ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row of the log of the account."""

    number: int
    at_ms: int
    name: str
    by: str
    idents: tuple[str, ...] = ()
    token: str = ""
    """Of a creation."""
    error: tuple[str, str] = ("", "")


class Region:
    """One region of one account."""

    def __init__(self, region: str = "eu-west-1", now_ms: int = 0) -> None:
        self.region, self.zones = region, [f"{region}{letter}" for letter in "abc"]
        self.timeline, self.faults = Timeline(now_ms), Faults()
        self.types = {"m7i.large": 2, "m7i.2xlarge": 8}
        """Cores, by type of instance."""
        self.spot_prices = {("m7i.large", f"{region}a"): "0.041300", ("m7i.large", f"{region}b"): "0.039900"}
        """US dollars for an hour, by type and zone."""
        self.products: list[dict[str, Any]] = []
        """Rows of the price list; see `services.product`."""
        self.images, self.keys = {IMAGE}, {ACCESS_KEY}
        self.root_device = "/dev/xvda"
        self.missing: set[str] = set()
        """Permissions that the account does not have: `ec2:RunInstances`."""
        self.sold_out: set[tuple[str, bool]] = set()
        """Zones, and whether it is spot that is sold out there."""
        self.cpus_limit, self.spot_cpus_limit = 1_000, 1_000
        self.listing_lag_ms = 0
        """Lists, and reads by id, show an instance only so long after its creation."""
        self.page_rows = 1_000
        self.instances: dict[str, Instance] = {}
        self.volumes: dict[str, Volume] = {}
        self.tokens: dict[tuple[str, str], Instance] = {}
        """By client token and zone: what was made with it, also when it is forgotten."""
        self.asked: list[str] = []
        """The actions of EC2 that were called, and the permissions of others: `pricing:GetProducts`; in order."""
        self.hooks: list[Callable[[str, Instance], None]] = []
        """Called with `running`, `preempted`, `off` or `gone`, and the instance."""
        self.events: list[Event] = []
        self.trail_lag_ms = 0
        """The log shows an event only so long after it."""
        self._number = 0

    def step(self, now_ms: int) -> int | None:
        """What was due by then has happened. Answers when something happens next; None: nothing does."""
        return self.timeline.step(now_ms)

    @property
    def now_ms(self) -> int:
        return self.timeline.now_ms

    # --- by hand, or by AWS

    def interrupt(self, ident: str) -> None:
        """AWS takes a spot instance back: its end comes in two minutes."""
        code, text = "Server.SpotInstanceTermination", "Spot instance termination"
        instance = self.instances[ident]
        instance.interrupted_ms = self.now_ms
        self._later(NOTICE_MS, lambda: self.end(instance, code, text))
        self._tell("preempted", instance)

    def end(self, instance: Instance, code: str, text: str) -> None:
        """It is terminated, for a reason in AWS's words."""
        if not instance.counts:
            return
        was_on = instance.state == "running"
        instance.state, instance.reason, instance.ended_ms = "shutting-down", (code, text), self.now_ms
        self._later(STOP_MS, lambda: self._terminated(instance))
        if was_on:
            self._tell("off", instance)

    def stop(self, instance: Instance) -> None:
        """A person stops it, which is not possible with a spot instance that was asked for once."""
        if instance.state != "running" or instance.spot:
            return
        instance.state = "stopping"
        self.note("StopInstances", "someone", (instance.id,))
        text = "Client.UserInitiatedShutdown"
        instance.reason = (text, f"{text}: User initiated shutdown")
        self._tell("off", instance)

        def stopped() -> None:
            if instance.state == "stopping":
                instance.state = "stopped"

        self._later(STOP_MS, stopped)

    def shut_down(self, instance: Instance) -> None:
        """Its operating system does it."""
        if instance.form.get("InstanceInitiatedShutdownBehavior") == "terminate":
            text = "Client.InstanceInitiatedShutdown"
            self.end(instance, text, f"{text}: Instance initiated shutdown")
        elif instance.state == "running":
            instance.state = "stopped"

    def note(
        self,
        name: str,
        by: str,
        idents: tuple[str, ...] = (),
        token: str = "",
        error: tuple[str, str] = ("", ""),
    ) -> None:
        number = len(self.events)
        self.events.append(
            Event(number=number, at_ms=self.now_ms, name=name, by=by, idents=idents, token=token, error=error)
        )

    # --- what follows

    def made(self, form: Form, zone: str, rule: Rule | None) -> Instance:
        """A new instance with its disk. `rule`: how its start fails, or that it never ends."""
        self._number += 1
        instance = Instance(
            id=f"i-{self._number:017x}",
            form=form,
            began_ms=self.now_ms,
            zone=zone,
            cpus=self.types[form["InstanceType"]],
            tags=tags_in(form, "instance"),
        )
        volume = Volume(
            id=f"vol-{self._number:017x}",
            began_ms=self.now_ms,
            tags=tags_in(form, "volume"),
            user=instance.id,
            stays=form.get("BlockDeviceMapping.1.Ebs.DeleteOnTermination") != "true",
        )
        self.instances[instance.id], self.volumes[volume.id] = instance, volume
        if token := form.get("ClientToken"):
            self.tokens[token, zone] = instance
        if rule is None or not rule.never_ends:
            late_ms = rule.delay_ms if rule is not None else 0
            self._later(START_MS + late_ms, lambda: self._start(instance, rule))
        return instance

    def shown(self, instance: Instance) -> bool:
        return instance.began_ms + self.listing_lag_ms <= self.now_ms

    def _start(self, instance: Instance, rule: Rule | None) -> None:
        if instance.state != "pending":
            return
        if rule is not None and rule.code:
            instance.reason = (rule.code, rule.text)
            self._terminated(instance)
        else:
            instance.state = "running"
            self._tell("running", instance)

    def _terminated(self, instance: Instance) -> None:
        instance.state = "terminated"
        for volume in list(self.volumes.values()):
            if volume.user == instance.id:
                volume.user = ""
                if not volume.stays:
                    del self.volumes[volume.id]
        self._later(FORGOTTEN_MS, lambda: self.instances.pop(instance.id, None))
        self._later(
            TOKEN_MS, lambda: self.tokens.pop((instance.form.get("ClientToken", ""), instance.zone), None)
        )
        self._tell("gone", instance)

    def _later(self, wait_ms: int, act: Callable[[], Any]) -> None:
        self.timeline.at(self.now_ms + wait_ms, act)

    def _tell(self, what: str, instance: Instance) -> None:
        for hook in self.hooks:
            hook(what, instance)


def tags_in(form: Form, kind: str) -> dict[str, str]:
    """Of the specification for this kind of resource."""
    found: dict[str, str] = {}
    for name, value in form.items():
        if name.endswith(".ResourceType") and name.startswith("TagSpecification.") and value == kind:
            start = f"{name.removesuffix('ResourceType')}Tag."
            keys = [each for each in form if each.startswith(start) and each.endswith(".Key")]
            found |= {form[each]: form[f"{each.removesuffix('.Key')}.Value"] for each in keys}
    return found


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
