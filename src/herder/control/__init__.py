"""The use cases and control loops of a running server, and its clock. Decisions are made in the pure packages."""
