"""What a plan is made from and what it is: the observation, actions, reasons.

Frozen data; nothing here decides.
"""
