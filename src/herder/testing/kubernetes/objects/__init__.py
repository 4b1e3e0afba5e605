"""Objects of the API and how they are kept: kinds, versions, selectors, patches. No routes, no controllers, no clock."""

from typing import Any

Json = dict[str, Any]
"""An object as JSON."""
