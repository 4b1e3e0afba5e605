"""HCL of Terraform as plain values. What is an expression stays one, since only Terraform can compute it. Called by the import; needs the extra `rosa`."""

import json
from dataclasses import dataclass
from typing import Any

from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.json_text import too_deep
from herder.settings.syntax.yaml_text import too_deep as is_too_deep

#: A block of a module has some hundreds of lines.
CHARACTERS_MAX = 300_000
_META = "__"


@dataclass(frozen=True, slots=True)
class Expression:
    """What Terraform computes: `module.rosa_cluster.cluster_id`."""

    text: str

    def __repr__(self) -> str:
        return self.text


def read_hcl(text: str) -> dict[str, Any]:
    """Blocks are lists, as the library has them. Raises Unreadable."""
    try:
        import hcl2
        from hcl2.utils import SerializationOptions
        from lark.exceptions import LarkError, UnexpectedInput
    except ImportError:
        raise Unreadable(
            1,
            1,
            "HCL cannot be read, because the package python-hcl2 is not installed.",
            "Run `pip install 'herder[rosa]'`.",
        ) from None
    if len(text) > CHARACTERS_MAX:
        raise Unreadable(
            1, 1, f"The file has more than {CHARACTERS_MAX:,} characters.", "Name a file with one module."
        )
    if is_too_deep(text):
        raise too_deep()
    options = SerializationOptions(with_comments=False, explicit_blocks=False, preserve_heredocs=False)
    try:
        found = hcl2.loads(text if text.endswith("\n") else f"{text}\n", serialization_options=options)
    except RecursionError:
        raise too_deep() from None
    except UnexpectedInput as error:
        raise Unreadable(max(error.line, 1), max(error.column, 1), "This is not HCL.", _REMEDY) from None
    except LarkError:
        raise Unreadable(1, 1, "The file is not HCL.", _REMEDY) from None
    read: dict[str, Any] = _plain(found)
    return read


_REMEDY = (
    "Name the file of Terraform that has the block of the module; `terraform validate` finds mistakes in it."
)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(str(key)): _plain(each) for key, each in value.items() if not str(key).startswith(_META)}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _text(value) if isinstance(value, str) else value


def _key(key: str) -> str:
    found = _text(key) if key.startswith('"') else key
    return found if isinstance(found, str) else found.text


def _text(raw: str) -> str | Expression:
    """The library leaves the quotes around texts; the rest are expressions, `${…}` or as they are written."""
    if raw.startswith("${") and raw.endswith("}"):
        return Expression(raw[2:-1])
    if not (len(raw) > 1 and raw.startswith('"') and raw.endswith('"')):
        return Expression(raw)
    without = raw.replace("$${", "").replace("%%{", "")
    if "${" in without or "%{" in without:
        return Expression(raw)
    try:
        found = json.loads(raw, strict=False)
    except ValueError:
        return Expression(raw)
    return str(found).replace("$${", "${").replace("%%{", "%{")
