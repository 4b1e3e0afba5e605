"""A document (`reports/documents.py`) as an answer, in the format that the address asks for."""

from fastapi import Request, Response

from herder.control.kernel.bounds.errors import Invalid
from herder.reports.documents import Document
from herder.reports.render import FORMATS

#: What an address says of the form of a document.
DOCUMENT_FORM = ("format", "table")


def document_reply(request: Request, document: Document) -> Response:
    """Raises Invalid for a format or a table that there is not."""
    name = request.query_params.get("format") or "json"
    if name not in FORMATS:
        raise Invalid(
            f"There is no format {name!r}.", field="format", hint=f"Name one of {', '.join(FORMATS)}."
        )
    kind, render = FORMATS[name]
    try:
        text = render(document, request.query_params.get("table"))
    except ValueError as error:
        raise Invalid(f"{str(error)[0].upper()}{str(error)[1:]}.", field="table") from None
    return Response(text, media_type=kind, headers={"Cache-Control": "no-store"})
