"""The one writer, and its other writes: recorded plans, ends of cancelled batches, deletions by age.

Nothing else may write to the store.
"""
