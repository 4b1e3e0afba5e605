"""The live scheduler: queue index, reservations and preemption, updated from pass to pass.

Run by the kernel at each hand-over. It holds state and calls the algorithms of `decide`; it must never do
I/O, read a clock or wait.
"""
