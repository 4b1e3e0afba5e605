"""Alerts in a running server: what they are judged by, who is told, and how they are acknowledged."""
