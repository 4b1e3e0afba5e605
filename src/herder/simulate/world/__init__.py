"""The simulated world: workers, boots, prices and spot in virtual time, and Herder itself in it.

Driven by `runs`. It must never read a clock; all randomness comes from one seed.
"""
