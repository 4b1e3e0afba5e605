"""The rules of a chaos run: what must hold after each commit, each minute, each ten minutes, and at rest.

Rules compare what is durable, the machines at the providers, and what the agents did. They do not rely on the server's own view.
A broken rule is a `Violation`, which names the rule and the objects.
"""
