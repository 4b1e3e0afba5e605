"""What the server asks of bootstraps: calls with a deadline, the data of new machines, configuration, repair and shutdown.

Called by `control/loops/` and by reads. It knows no operating system and no provider.
"""
