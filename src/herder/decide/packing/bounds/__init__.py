"""Lower bounds of the cost of a packing, and the prices that prove them.

Called by the searches and by the planner. A bound must never be above the optimum, whatever is cut short.
"""
