"""The storm takes the installed command as the acceptance tests do."""

from tests.acceptance.conftest import installation

__all__ = ["installation"]
