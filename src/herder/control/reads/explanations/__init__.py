"""Explanations of a worker, a pool and a job, and what needs attention.

Called by `port`. They must only tell recorded facts.
"""
