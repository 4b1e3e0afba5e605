"""The one writer, and what it writes beside changes: recorded plans, ends of cancelled batches, what is deleted by age.

Nothing else may write to the store.
"""
