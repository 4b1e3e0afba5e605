"""Requests to models as others describe them: attributes of OpenTelemetry's GenAI spans, and rows of LiteLLM's spend log. Turned into tokens by kind. Pure.

Both count cached and reasoning tokens within those of input and output; here each token is of one kind, so that each costs one price.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from herder.ledger.tokens import KIND, above_of, tier_of, token_resource

#: Kinds that are part of the prompt, for the size of a prompt where it is not said.
_OF_PROMPT = ("input", "cache_read")
_TOKENS_MOST = 10**15


class ReportError(ValueError):
    """`field`: of the report; `hint`: the remedy."""

    def __init__(self, text: str, field: str, hint: str) -> None:
        super().__init__(text)
        self.text, self.field, self.hint = text, field, hint


@dataclass(slots=True, kw_only=True)
class ModelRequest:
    id: str
    time: str
    """ISO 8601."""
    model: str
    tokens: dict[str, int] = field(default_factory=dict)
    """By kind; each token is of one."""
    tier: str = ""
    prompt_tokens: int | None = None
    """All tokens of the prompt. None: the sum of those of `tokens` that are."""
    user: str = ""
    project: str = ""
    claim: str = ""
    """The id of the model's answer."""


def resources_of(request: ModelRequest) -> dict[str, int]:
    """Tokens by resource; a kind with none is left out. Raises ReportError."""
    tier = tier_of(request.tier)
    if tier is None:
        raise ReportError(
            f"{request.tier[:40]!r} is not a tier of service",
            "tier", "Tiers are batches, flex, priority, ultrafast and decisions. Leave it out for the standard one.",
        )  # fmt: skip
    for kind, count in request.tokens.items():
        if not KIND.fullmatch(kind):
            raise ReportError(
                f"{kind[:40]!r} is not a kind of tokens", "tokens", "Use small letters, digits and _, as in cache_read."
            )  # fmt: skip
        if not 0 <= count <= _TOKENS_MOST:
            raise ReportError(
                f"There are {_shown(count)} tokens of the kind {kind}",
                "tokens",
                "Report what was used, 0 or more.",
            )
    prompt = request.prompt_tokens
    if prompt is None:
        prompt = sum(
            count
            for kind, count in request.tokens.items()
            if kind.endswith(_OF_PROMPT) or "cache_write" in kind
        )
    above = above_of(prompt)
    found = {token_resource(kind, tier, above): count for kind, count in request.tokens.items() if count}
    if not found:
        raise ReportError("The request has used no tokens", "tokens", "Leave the request out.")
    return found


def of_span(span: Mapping[str, Any]) -> ModelRequest:
    """A span with its `attributes`, as a mapping or as OTLP lists them. Raises ReportError."""
    said = _attributes(span.get("attributes"))
    model = _text(said, "gen_ai.response.model") or _text(said, "gen_ai.request.model")
    if not model:
        raise ReportError(
            "The span names no model", "attributes", "Send only spans with gen_ai.request.model."
        )
    prompt = _count(said, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    output = _count(said, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    if prompt is None and output is None:
        raise ReportError("The span has no use of tokens", "attributes", "Send only spans of calls to models that have ended.")  # fmt: skip
    parts = {
        "cache_read": _count(
            said, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"
        ),
        "cache_write_5m": _count(
            said, "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"
        ),
    }
    tokens = _apart("input", prompt or 0, parts)
    reasoning = _count(said, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens")
    tokens.update(_apart("output", output or 0, {"reasoning": reasoning}))
    answer = _text(said, "gen_ai.response.id")
    name = _name(span) or answer
    if not name:
        raise ReportError("The span has no id", "span_id", "Send its trace_id and span_id.")
    return ModelRequest(
        id=name,
        time=_time(span),
        model=model,
        tokens=tokens,
        prompt_tokens=prompt,
        claim=answer,
        tier=_text(said, "openai.response.service_tier")
        or _text(said, "gen_ai.openai.response.service_tier"),
        user=_text(said, "herder.user") or _text(said, "user.id") or _text(said, "enduser.id"),
        project=_text(said, "herder.project"),
    )


def of_spend_row(row: Mapping[str, Any]) -> ModelRequest | None:
    """None: the answer came from LiteLLM's own cache, or the request failed without use. Raises ReportError."""
    name = _text(row, "request_id")
    if not name:
        raise ReportError("The row has no request_id", "request_id", "Export the whole row.")
    prompt, output = _count(row, "prompt_tokens") or 0, _count(row, "completion_tokens") or 0
    if str(row.get("cache_hit", "")).lower() == "true" or not (prompt or output):
        return None
    metadata = row.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata or "{}")
        except (ValueError, RecursionError):
            raise ReportError(
                "The metadata of the row is not JSON", "metadata", "Export the whole row."
            ) from None
    usage = _part(_part({"metadata": metadata}, "metadata"), "additional_usage_values") or _part(
        _part({"metadata": metadata}, "metadata"), "usage_object"
    )
    of_prompt, of_output = _part(usage, "prompt_tokens_details"), _part(usage, "completion_tokens_details")
    written = _part(of_prompt, "cache_creation_token_details") or _part(usage, "cache_creation_token_details")
    whole = _count(usage, "cache_creation_input_tokens") or _count(of_prompt, "cache_creation_tokens") or 0
    hour = _count(written, "ephemeral_1h_input_tokens") or 0
    parts = {
        "cache_read": _count(usage, "cache_read_input_tokens") or _count(of_prompt, "cached_tokens"),
        "cache_write_5m": max(0, whole - hour),
        "cache_write_1h": hour,
        "audio_input": _count(of_prompt, "audio_tokens"),
    }
    tokens = _apart("input", prompt, parts)
    said = {
        "reasoning": _count(of_output, "reasoning_tokens"),
        "audio_output": _count(of_output, "audio_tokens"),
    }
    tokens.update(_apart("output", output, said))
    return ModelRequest(
        id=name,
        time=_text(row, "endTime") or _text(row, "startTime"),
        model=_text(row, "model"),
        tokens=tokens,
        prompt_tokens=prompt,
        claim=name,
        tier=_text(usage, "service_tier"),
        user=_text(row, "user") or _text(row, "end_user"),
    )


def _shown(count: int) -> str:
    """Not with thousands of digits, as somebody may send it."""
    if abs(count) > 1000 * _TOKENS_MOST:
        return f"{'less than -' if count < 0 else 'more than '}{1000 * _TOKENS_MOST:,}"
    return f"{count:,}"


def _apart(kind: str, whole: int, parts: Mapping[str, int | None]) -> dict[str, int]:
    """What is left of the whole is of `kind`. Raises ReportError when the parts are more."""
    found = {name: count for name, count in parts.items() if count}
    rest = whole - sum(found.values())
    if rest < 0:
        raise ReportError(
            f"The parts of the {_shown(whole)} tokens of {kind} are {_shown(sum(found.values()))}",
            "tokens", "Cached and reasoning tokens count within those of input and output.",
        )  # fmt: skip
    return {kind: rest, **found} if rest else found


def _attributes(said: Any) -> dict[str, Any]:
    if isinstance(said, Mapping):
        return dict(said)
    found = {}
    for each in said if isinstance(said, list) else ():
        if isinstance(each, Mapping) and isinstance(each.get("value"), Mapping):
            found[str(each.get("key"))] = next(iter(each["value"].values()), None)
    return found


def _part(whole: Any, name: str) -> dict[str, Any]:
    found = whole.get(name) if isinstance(whole, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _text(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name)
    return found if isinstance(found, str) else ""


def _count(said: Mapping[str, Any], *names: str) -> int | None:
    """The first that is there. OTLP writes whole numbers as text. Raises ReportError."""
    for name in names:
        found = said.get(name)
        if found is None:
            continue
        if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 18:
            return int(found)
        if isinstance(found, float) and found.is_integer():
            return int(found)
        if isinstance(found, bool) or not isinstance(found, int):
            raise ReportError(f"{name} is {str(found)[:40]!r}", name, "Send a whole number.")
        return found
    return None


def _name(span: Mapping[str, Any]) -> str:
    whole = _text(span, "id")
    trace = _text(span, "trace_id") or _text(span, "traceId")
    own = _text(span, "span_id") or _text(span, "spanId")
    return whole or "/".join(filter(None, (trace, own)))


def _time(span: Mapping[str, Any]) -> str:
    nanos = span.get("endTimeUnixNano", span.get("end_time_unix_nano"))
    if nanos is None:
        return _text(span, "time") or _text(span, "end_time")
    try:
        moment = datetime.fromtimestamp(int(nanos) // 10**9, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise ReportError(
            f"{str(nanos)[:40]!r} is not a time", "endTimeUnixNano", "Send nanoseconds since 1970."
        ) from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(nanos) // 10**6 % 1000:03d}Z"
