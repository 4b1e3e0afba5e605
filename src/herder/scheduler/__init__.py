"""The live scheduler: what waits, what is reserved, who is preempted, kept up to date from pass to pass.

Run by the kernel at each hand-over. It holds state and calls the algorithms of `decide`; it must never do
I/O, read a clock or wait.
"""
