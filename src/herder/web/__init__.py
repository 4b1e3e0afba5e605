"""The dashboard: server-rendered pages that work without JavaScript and are kept current by one event stream.

Mounted by `app.py` beside the API, which it never imports. It reads `control/reads`, changes things only by the forms of `actions/`, through
`Commands`, and loads nothing from another origin.
"""
