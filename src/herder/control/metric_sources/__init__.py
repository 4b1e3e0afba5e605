"""Figures of other systems that custom metrics ask for.

Called by the loop `readings`. It must never raise what another system answers.
"""
