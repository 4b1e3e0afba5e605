"""The table of what the import or export of a foreign file says. Used by `herder config import-cortex` and `import-rosa`, and `herder pool scaled-objects`."""

from herder.cli.output.columns import field
from herder.cli.output.rows import View

FINDINGS = View(
    noun="finding",
    name=lambda each: str(each.path),
    columns=(field("KIND", "kind"), field("PATH", "path", wrap=True), field("TEXT", "text", wrap=True)),
    empty="",
)
