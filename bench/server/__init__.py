"""The server under test: started with its agents on a store, called, measured and stopped.

Used by the measurements. It must never leave a process or a database behind.
"""
