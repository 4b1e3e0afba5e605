"""How many jobs of each user and project may start now, and which quota limits them.

Called by placement in the scheduler, by the planner and by explanations. It must never look at workers.
"""
