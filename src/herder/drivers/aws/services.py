"""The calls of AWS's services beside EC2 that the driver makes: prices, quotas, and the log of the account. Called from any thread; raises `DriverError`s only.

They speak JSON; one address for each service.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from herder.drivers.aws.xml import Json
from herder.model.fleet.driver import Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pages import Page, all_pages

#: So many creations of the account are looked through for those of one worker.
CREATIONS_MAX = 200
_EVENTS = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
_PRICES_PAGE, _QUOTAS_PAGE, _EVENTS_PAGE = 100, 100, 50
#: What a Linux instance on demand costs, without programs that cost extra.
_PRODUCT = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


class Services:
    def __init__(self, prices: CloudClient, quotas: CloudClient, trail: CloudClient) -> None:
        self._prices, self._quotas, self._trail = prices, quotas, trail

    def products(self, region: str) -> list[Json]:
        """Types of instances on demand, each with its terms, as the price list writes them."""
        what = f"reading the prices of {region}"
        wanted = {"regionCode": region, **_PRODUCT}
        asked = {
            "ServiceCode": "AmazonEC2",
            "FormatVersion": "aws_v1",
            "MaxResults": _PRICES_PAGE,
            "Filters": [
                {"Type": "TERM_MATCH", "Field": name, "Value": each} for name, each in wanted.items()
            ],
        }
        rows = self._listed(self._prices, "AWSPriceListService.GetProducts", asked, "PriceList", what)
        return [_product(text, what) for text in rows]

    def quotas(self) -> list[Json]:
        """Of EC2 in the region: those that AWS has set for the account."""
        asked = {"ServiceCode": "ec2", "MaxResults": _QUOTAS_PAGE}
        target = "ServiceQuotasV20190624.ListServiceQuotas"
        return self._listed(self._quotas, target, asked, "Quotas", "reading the quotas of EC2")

    def creations(self) -> Iterator[Json]:
        """The newest calls of RunInstances of anybody in the account, at most CREATIONS_MAX. Also those that were refused."""
        asked = _lookup("EventName", "RunInstances")
        token = ""
        for _ in range(CREATIONS_MAX // _EVENTS_PAGE):
            found = self._page(self._trail, _EVENTS, asked, "reading the log of the account", token)
            yield from found.get("Events") or ()
            token = str(found.get("NextToken") or "")
            if not token:
                return

    def events(self, ident: str) -> list[Json]:
        """Of the last 90 days, about the instance."""
        asked = _lookup("ResourceName", ident)
        return self._listed(self._trail, _EVENTS, asked, "Events", f"reading the log of instance {ident}")

    def may_look_up(self) -> None:
        asked = {**_lookup("EventName", "RunInstances"), "MaxResults": 1}
        self._page(self._trail, _EVENTS, asked, "reading the log of the account")

    def close(self) -> None:
        for client in (self._prices, self._quotas, self._trail):
            client.close()

    def _listed(
        self, client: CloudClient, target: str, asked: Mapping[str, Any], name: str, what: str
    ) -> list[Any]:
        """The rows of all pages."""

        def page(token: str) -> Page:
            found = self._page(client, target, asked, what, token)
            return found if isinstance(found.get(name), list) else _object(None, what)

        pages = all_pages(page, lambda found: str(found.get("NextToken") or ""), what)
        return [row for found in pages for row in found[name]]

    def _page(
        self, client: CloudClient, target: str, asked: Mapping[str, Any], what: str, token: str = ""
    ) -> Page:
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        body = {**asked, **({"NextToken": token} if token else {})}
        # Each of them only reads.
        return _object(client.call("POST", "/", what, body=body, headers=headers, repeatable=True).data, what)


def _lookup(key: str, value: str) -> Json:
    attributes = [{"AttributeKey": key, "AttributeValue": value}]
    return {"LookupAttributes": attributes, "MaxResults": _EVENTS_PAGE}


def _product(text: object, what: str) -> Json:
    """A row of the price list is a text, which is JSON itself."""
    try:
        return _object(msgspec.json.decode(str(text)), what)
    except msgspec.DecodeError:
        return _object(None, what)


def _object(found: Any, what: str) -> Json:
    if isinstance(found, dict):
        return found
    raise Unavailable(f"The answer to {what} is not one of AWS. Check the addresses in the settings.")
