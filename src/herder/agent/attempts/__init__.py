"""The attempts that this worker has, from assignment until the server has acknowledged their end.

Fed by `protocol`; it must never start a call by itself but for inputs.
"""
