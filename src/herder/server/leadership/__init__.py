"""Several servers on one PostgreSQL store: one leads, the others follow (`docs/decisions/0031-leadership.md`)."""
