"""What all routes share: request bodies, bounds, errors, answers, the OpenAPI document.

It must never know a use case.
"""
