"""Who acts in the simulated world: lives of the real server, real agents on machines that have booted, people, and the provider.

None of them knows of the others but through ports.
"""
