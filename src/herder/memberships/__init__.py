"""What a worker's machine joins, one folder each. `registry` finds them; docs/how-to/add-a-membership.md says how to add one."""
