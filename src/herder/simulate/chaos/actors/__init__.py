"""The actors of the simulated world: the real server, real agents on machines that have booted, and the users and operators.

They reach one another through ports only.
"""
