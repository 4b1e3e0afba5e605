"""How secrets are shown: in lists, and one in full. There is no value in it."""

from typing import Any

from herder.cli.output.columns import field, made, since
from herder.cli.output.humanize import age
from herder.cli.output.printer import Details
from herder.cli.output.rows import View
from herder.wire.api.secrets import SecretView


def _owner(secret: Any) -> str:
    return f"project/{secret.project}" if secret.project else f"user/{secret.user}"


SECRETS = View(
    noun="secret",
    name=lambda secret: str(secret.name),
    columns=(
        field("NAME", "name"),
        made("OWNER", _owner, key="owner"),
        field("STATUS", "state", state=True),
        field("VERSION", "version", right=True),
        field("BYTES", "bytes", right=True, drop=3),
        since("CHANGED", "changed_at", drop=2),
        field("BY", "changed_by", long=True, drop=4),
        field("KEY", "key", wide=True, drop=5),
    ),
    empty="No secrets. Create one with: herder secret create NAME < FILE",
)


def details(view: SecretView, now_s: float) -> Details:
    rows = [
        ("Secret", view.name),
        ("Owner", _owner(view)),
        ("Status", view.state),
        ("Version", str(view.version)),
        ("Size", f"{view.bytes:,} bytes; the value is not shown"),
        ("Key", view.key),
        ("Created", f"{view.created_at} ({age(view.created_at, now_s)})"),
        ("Changed", f"{view.changed_at} by {view.changed_by}"),
    ]
    return Details(rows=rows, tables=[])
