"""The form of rows: tables, and the JSON in rows with its versions.

Used by whoever reads or writes rows.
"""
