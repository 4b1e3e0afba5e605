"""What no packing can beat, and the prices that prove it.

Called by the searches and by the planner. A bound must never be above the optimum, whatever is cut short.
"""
