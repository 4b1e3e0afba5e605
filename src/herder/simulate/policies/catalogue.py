"""Policies by name, by name with parameters (`first_fit(idle_s=300)`, `fixed(20)`), or as YAML files. Called by the command.

A file holds `policy` (a name), optionally `name` (how it is shown) and `parameters`. Unknown names and parameters are refused with
what there is.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from herder.model.values.phrases import sentence
from herder.settings.syntax.problems import did_you_mean
from herder.simulate.policies.peers.cluster_autoscaler_like import ClusterAutoscalerLike
from herder.simulate.policies.peers.hail_like import HailLike
from herder.simulate.policies.peers.karpenter_like import KarpenterLike
from herder.simulate.policies.peers.ray_like import RayLike
from herder.simulate.policies.simple.best_fit import BestFit
from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.policies.simple.fixed import Fixed
from herder.simulate.world.herder import Herder
from herder.simulate.world.world import Policy

POLICIES: dict[str, Callable[..., Policy]] = {
    "first_fit": FirstFit,
    "best_fit": BestFit,
    "karpenter_like": KarpenterLike,
    "cluster_autoscaler_like": ClusterAutoscalerLike,
    "ray_like": RayLike,
    "hail_like": HailLike,
    "fixed": Fixed,
    "herder": Herder,
}
_CALL = re.compile(r"^([a-z_]+)(?:\((.*)\))?$")
Value = float | int | bool | str


class PolicyError(ValueError):
    """A policy that does not exist or contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChoice:
    """How a policy is shown, and how a fresh one is made: a policy has state and serves one simulation."""

    title: str
    kind: str
    parameters: dict[str, Value]

    def make(self) -> Policy:
        try:
            return POLICIES[self.kind](**self.parameters)
        except (TypeError, ValueError) as error:
            raise PolicyError(sentence(f"Policy {self.title}: {error}")) from None


def find_policy(text: str) -> PolicyChoice:
    """A file when there is one of that name or it ends like one, else a name. Raises PolicyError."""
    path = Path(text)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _from_file(path)
    match = _CALL.match(text.replace(" ", ""))
    if match is None:
        raise PolicyError(f"{text!r} is not a policy. Write a name, name(parameter=value) or a file.")
    kind = match.group(1)
    given = [part for part in (match.group(2) or "").split(",") if part]
    names = _parameters(kind)
    parameters: dict[str, Value] = {}
    for place, part in enumerate(given):
        key, equals, value = part.partition("=")
        if not equals and place < len(names):
            key, value = list(names)[place], part
        parameters[key] = _value(value)
    return _choice(text, kind, parameters, text)


def _from_file(path: Path) -> PolicyChoice:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        body = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise PolicyError(sentence(f"{path}: no policy can be read from it: {error}")) from None
    if not isinstance(body, dict) or not isinstance(body.get("policy"), str):
        raise PolicyError(
            f"{path}: a policy file names a policy, for example `policy: {next(iter(POLICIES))}`."
        )
    unknown = set(body) - {"policy", "name", "parameters"}
    if unknown:
        raise PolicyError(
            f"{path}: {min(unknown)!r} is unknown. A policy file has policy, name and parameters."
        )
    parameters = body.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise PolicyError(f"{path}: parameters must be names with values.")
    return _choice(str(body.get("name") or path.stem), body["policy"], dict(parameters), str(path))


def _choice(title: str, kind: str, parameters: dict[str, Any], where: str) -> PolicyChoice:
    known = _parameters(kind)
    for key, value in parameters.items():
        if key not in known:
            takes = ", ".join(known) or "none"
            raise PolicyError(f"{where}: policy {kind} has no parameter {key!r}. Its parameters are {takes}.")
        _check(where, key, value, known[key])
    return PolicyChoice(title=title, kind=kind, parameters=parameters)


def _check(where: str, key: str, value: object, default: object) -> None:
    if isinstance(default, bool) is not isinstance(value, bool) or not isinstance(value, int | float):
        raise PolicyError(f"{where}: {key}={value!r} must be of the kind of {default!r}.")
    if isinstance(default, int) and not isinstance(value, int):
        raise PolicyError(f"{where}: {key}={value!r} must be a whole number.")
    if not (0 <= value < float("inf")):
        raise PolicyError(f"{where}: {key}={value!r} must be finite and at least 0.")


def _parameters(kind: str) -> dict[str, object]:
    """Name and default of each."""
    if kind not in POLICIES:
        raise PolicyError(f"Policy {kind!r} does not exist. {did_you_mean(kind, list(POLICIES))}")
    signature = inspect.signature(POLICIES[kind])
    return {name: parameter.default for name, parameter in signature.parameters.items()}


def _value(text: str) -> Value:
    if text.lower() in ("true", "yes", "false", "no"):
        return text.lower() in ("true", "yes")
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text
