"""Durable state: tables, migrations, the group-commit writer and the readers. SQLite by default, PostgreSQL by choice."""
