"""Clients of systems that several parts of Herder talk to, one folder each. A driver or a membership uses them; nothing here decides."""
