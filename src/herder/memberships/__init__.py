"""The memberships, one folder each. `registry` finds them; docs/how-to/add-a-membership.md describes how to add one."""
