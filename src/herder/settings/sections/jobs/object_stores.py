"""The section `object_stores:` of herder.yaml: for which URLs the server signs, so that workers hold no credentials. Read by `load`.

Secrets do not stand in these files: a setting names the file or the variable of the server's environment in which one is.
"""

from dataclasses import dataclass
from typing import Any

from herder.settings.sections.server import http_address
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Table
from herder.wire.data import OBJECT_SCHEMES, read_url

SECTION = "object_stores"
LIFETIME_MIN_S, LIFETIME_MAX_S = 60.0, 7 * 86_400.0
"""What signatures of all three providers allow at most."""
_TEXTS = {
    "url": "The URLs that it is for begin so: s3://BUCKET/, gs://BUCKET/FOLDER/ or az://CONTAINER/.",
    "endpoint": "Address of the store, for stores that speak S3 elsewhere than at AWS, such as http://10.0.0.9:9000.",
    "region": "Region of the bucket; s3 only.",
    "account": "Storage account; az only.",
    "key_id_env": "Variable with the access key id; s3 only.",
    "key_id_file": "File with the access key id; s3 only.",
    "secret_env": "Variable with the secret access key (s3), the account key (az) or the service account in JSON (gs).",
    "secret_file": "File with the same. Without a secret the environment of the server is used, as the provider's tools do.",
}
KEYS = ("name", *_TEXTS, "signed_for", "projects")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """`url`: with a slash at its end. The secrets are what files and variables hold when they are needed."""

    name: str
    url: str
    endpoint: str = ""
    region: str = ""
    account: str = ""
    key_id_env: str = ""
    key_id_file: str = ""
    secret_env: str = ""
    secret_file: str = ""
    signed_for_s: float = 3600.0
    projects: tuple[str, ...] = ()
    """Whose jobs may use it; empty: of all."""


def read_object_store(found: Reading, entry: Entry, table: Table) -> ObjectStore:
    given = {each.name: each.value for each in validation.known_only(found, table, KEYS)}
    texts = {key: validation.text(found, given[key]) for key in _TEXTS if key in given}
    if not texts.get("url"):
        found.wrong(table, f"Object store {entry.name!r} has no url.", "Write `url: s3://BUCKET/`.")
    else:
        try:
            url = read_url(texts["url"])
            good = url.scheme in OBJECT_SCHEMES and not url.is_glob and texts["url"].endswith("/")
        except ValueError:
            good = False
        if not good:
            message = f"{texts['url']!r} is not the beginning of URLs of an object store."
            found.wrong(given["url"], message, "Write for example s3://BUCKET/ or gs://BUCKET/FOLDER/.")
    if "endpoint" in given:
        texts["endpoint"] = http_address(found, given["endpoint"])
    for one in ("key_id", "secret"):
        if texts.get(f"{one}_env") and texts.get(f"{one}_file"):
            message = f"It is configured twice, by {one}_env and by {one}_file."
            found.wrong(given[f"{one}_file"], message, "Remove one of the two.")
    lifetime_s = validation.duration(found, given["signed_for"]) if "signed_for" in given else 3600.0
    if not LIFETIME_MIN_S <= lifetime_s <= LIFETIME_MAX_S:
        found.wrong(given["signed_for"], "signed_for must be 1m to 7d.", "Set a value from 1m to 7d.")
    projects = validation.listing(found, given["projects"]) if "projects" in given else ()
    return ObjectStore(
        name=entry.name,
        **{"url": "", **texts},
        signed_for_s=lifetime_s,
        projects=tuple(validation.name(found, each) for each in projects),
    )


def write_object_store(store: ObjectStore) -> dict[str, Any]:
    plain: dict[str, Any] = {key: getattr(store, key) for key in _TEXTS if getattr(store, key)}
    plain["signed_for"] = format_duration(store.signed_for_s)
    return {**plain, **({"projects": list(store.projects)} if store.projects else {})}


def object_store_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["url"],
        "properties": {
            "name": text,
            **{key: {**text, "description": doc} for key, doc in _TEXTS.items()},
            "signed_for": {"type": ["string", "number"], "description": documented()["signed_for"]},
            "projects": {"type": "array", "items": text, "description": documented()["projects"]},
        },
    }


def documented() -> dict[str, str]:
    """Every setting with its meaning, for the reference."""
    return {
        **_TEXTS,
        "signed_for": "How long a signed URL is valid, from 1m to 7d. Default: 1h. Longer copies get new ones.",
        "projects": "Projects whose jobs may use it. Default: all.",
    }
