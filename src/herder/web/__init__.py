"""The dashboard: server-rendered pages that work without JavaScript and are kept current by one event stream.

Mounted by `app.py` beside the API, which it never imports. It reads `control/reads`, changes nothing but the visitor's
session cookie, and loads nothing from another origin.
"""
