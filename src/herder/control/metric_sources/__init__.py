"""Clients of other systems that provide custom metrics.

Called by the loop `readings`. It must never raise what another system answers.
"""
