"""The bootstraps, one folder each. `registry` finds them; docs/how-to/add-a-bootstrap.md describes how to add one."""
