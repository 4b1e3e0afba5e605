"""Workspace Manager's own description of its API, and that each of its errors has one form."""

from pathlib import Path

from herder.testing.fakes.openapi import OpenApi

FILE = Path(__file__).with_name("descriptions") / "workspace_manager.json.gz"
API = OpenApi(FILE, lambda schemas: schemas["ErrorReport"], "/api/workspaces")
