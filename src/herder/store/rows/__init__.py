"""What rows look like: tables, and the JSON inside rows with its versions.

Used by whoever reads or writes rows.
"""
