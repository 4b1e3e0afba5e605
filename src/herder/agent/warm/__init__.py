"""Warm interpreters: a Python that has imported what jobs need, whose forks run them.

`program` is what such an interpreter runs, `template` is one of them as the agent sees it, `templates` keeps them. Used by the process
runtime, which sets the limits of a fork before it runs anything.
"""
