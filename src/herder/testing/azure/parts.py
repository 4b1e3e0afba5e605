"""Network cards, addresses and disks at Azure: what a request for one must have, and how they come and go."""

from herder.testing.azure.errors import ApiError, not_found
from herder.testing.azure.state import ADDRESSES, CARDS, DISKS, Json, Operation, Part, State

_TAG_MAX = (512, 256)
_TAGS_MAX = 50


def put(state: State, kind: str, name: str, body: Json) -> tuple[Part, bool]:
    """And whether it is new. A change of the one that is there keeps its user."""
    check_tags(body)
    found = state.parts.get((kind, name.lower()))
    if found is not None and found.body["location"] != body["location"]:
        raise ApiError(
            409,
            "InvalidResourceLocation",
            f"The resource '{name}' already exists in location '{found.body['location']}' in resource group '{state.inventory.group}'. A resource with the same name cannot be created in location '{body['location']}'.",
        )
    if body["location"] not in state.inventory.locations:
        raise ApiError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{body['location']}' is not available.",
        )
    address = _checked_card(state, body) if kind == CARDS else None
    if found is not None:
        found.body = body
        return found, False
    part = Part(kind=kind, name=name, body=body, number=state.next_number(), provisioning="Updating")
    part.stays = kind == ADDRESSES and body["properties"].get("deleteOption") != "Delete"
    state.parts[kind, name.lower()] = part
    if address is not None:
        address.user = name

    def ready() -> None:
        part.provisioning = "Succeeded"

    state.begin(f"put {kind}", body["location"], 0, ready)
    return part, True


def delete(state: State, part: Part) -> Operation:
    if part.kind == CARDS and part.user:
        raise ApiError(
            400, "NicInUse", f"Network Interface {part.name} is used by existing resource {part.user}."
        )
    if part.kind == ADDRESSES and part.user:
        raise ApiError(
            400,
            "PublicIPAddressCannotBeDeleted",
            f"Public IP address {part.name} can not be deleted since it is still allocated to resource {part.user}.",
        )
    if part.kind == DISKS and part.user:
        raise ApiError(409, "OperationNotAllowed", f"Disk {part.name} is attached to VM {part.user}.")
    place = (part.kind, part.name.lower())
    part.provisioning = "Deleting"

    def drop() -> None:
        if state.parts.get(place) is part and not part.user:
            state.drop(place, alone=True)

    return state.begin(f"delete {part.kind}", part.body["location"], state.times.delete_part_ms, drop)


def find_part(state: State, kind: str, name: str) -> Part:
    found = state.parts.get((kind, name.lower()))
    if found is None:
        namespace = "Microsoft.Compute" if kind == DISKS else "Microsoft.Network"
        raise not_found(f"{namespace}/{kind}", name, state.inventory.group)
    return found


def linked(state: State, kind: str, ident: str) -> Part:
    """What another resource refers to."""
    found = state.parts.get((kind, ident.rpartition("/")[2].lower()))
    if found is None or state.id_of(kind, found.name).lower() != ident.lower():
        raise ApiError(
            400, "InvalidResourceReference", f"Resource {ident} referenced by the request was not found."
        )
    return found


def _checked_card(state: State, body: Json) -> Part | None:
    """Its address in the internet."""
    configuration = body["properties"]["ipConfigurations"][0]["properties"]
    subnet = configuration["subnet"]["id"]
    if state.inventory.subnets.get(subnet) != body["location"]:
        raise ApiError(
            400,
            "InvalidResourceReference",
            f"Resource {subnet} referenced by the network card was not found, or is not in the same region.",
        )
    address = configuration.get("publicIPAddress")
    return linked(state, ADDRESSES, address["id"]) if address else None


def check_tags(body: Json) -> None:
    tags = body.get("tags", {})
    if len(tags) > _TAGS_MAX or any(
        len(name) > _TAG_MAX[0] or len(value) > _TAG_MAX[1] for name, value in tags.items()
    ):
        raise ApiError(
            400, "InvalidTagValueLength", "At most 50 tags; names up to 512 letters, values up to 256."
        )
    if any(set(name) & set("<>%&\\?/") for name in tags):
        raise ApiError(
            400, "InvalidTagNameCharacters", "The tag names have reserved characters '<,>,%,&,\\,?,/'."
        )
