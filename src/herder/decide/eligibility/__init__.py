"""Whether a job may run in a place: pool, labels, taints, affinity.

Called by admission of new jobs, by placement and by the planner. It must never look at how much is free.
"""
