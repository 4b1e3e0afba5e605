"""Placement: which waiting jobs start on which free workers, and which places are reserved.

Called by the scheduler and by simulations. It must never keep anything from one call to the next.
"""
