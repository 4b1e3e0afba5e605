"""What an apply means at a provider, in the signs of Terraform: `+ ~ -` for each field, `-/+` for what has to be created again. Used by `herder apply`."""

from collections.abc import Iterator

from herder.wire.api.resources import ProviderChangeView, ProviderFieldView

_SIGNS = {"create": "+", "update": "~", "replace": "-/+", "release": "-"}
_SAYS = {
    "create": "will be created",
    "update": "will be changed in place",
    "replace": "must be replaced",
    "release": "will no longer be used",
}


def provider_lines(change: ProviderChangeView) -> Iterator[str]:
    sign = _SIGNS.get(change.action, "~")
    yield f"  {sign} {change.object} {_SAYS.get(change.action, change.action)}"
    width = max((len(each.name) for each in change.fields), default=0)
    for each in change.fields:
        yield f"      {_field(each, width)}"
    if change.note:
        yield f"      # {change.note}"


def _field(field: ProviderFieldView, width: int) -> str:
    name = field.name.ljust(width)
    why = " # forces replacement" if field.forces_replacement else ""
    if field.before is None:
        return f'+ {name} = "{field.after}"{why}'
    if field.after is None:
        return f'- {name} = "{field.before}"{why}'
    return f'~ {name} = "{field.before}" -> "{field.after}"{why}'
