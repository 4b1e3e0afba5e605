"""What every route has in common: bodies, bounds, errors, answers, the OpenAPI document.

It must never know a use case.
"""
