"""The planner: makes a plan from an observation, checks it, and reports the reasons.

Called by the scale loop, by dry runs and by explanations. It only puts together what scaling, quotas and
placement decide, and must never look at anything but the observation and the time that it is given.
"""
