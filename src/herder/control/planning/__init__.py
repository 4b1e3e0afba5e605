"""The planner in a running server: its input from the engine, the row of a plan, the effect of a plan on the engine.

Called by the scale loop, by dry runs and by explanations. It must never change a plan.
"""
