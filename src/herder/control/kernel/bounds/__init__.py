"""What is refused, and how: limits on what people send, and the family of errors with status and remedy.

Used by every use case.
"""
