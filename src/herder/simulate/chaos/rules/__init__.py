"""The rules of a chaos run: what must hold after each commit, each minute, each ten minutes, and at rest.

Each module judges by what is durable, by what the providers hold, and by what the agents did; none asks the server what it thinks.
A rule that is broken is a `Violation`, which names the rule and the objects.
"""
