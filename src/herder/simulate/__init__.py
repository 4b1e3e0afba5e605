"""Virtual time: traces of real work replayed against a policy, with prices, boots and faults, beside what is the least possible.

The command line calls `simulate/commands/simulate`, tests and tables call `run`. Nothing here talks to a provider, a store or a server.
"""
