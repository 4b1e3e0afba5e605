"""The simulated world: workers, boots, prices and spot in virtual time, and Herder itself running in it.

Driven by `runs`. It must never read a clock; all randomness comes from one seed.
"""
