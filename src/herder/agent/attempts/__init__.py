"""The attempts that this worker holds, from assignment to receipt.

Fed by `protocol`; it must never start a call by itself but for inputs.
"""
