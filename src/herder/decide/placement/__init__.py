"""Which waiting jobs go on which free workers, and for whom a place is kept.

Called by the scheduler and by simulations. It must never keep anything from one call to the next.
"""
