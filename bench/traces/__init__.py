"""The tables of `docs/performance.md`: all traces with all policies.

Run by `make tables`. It must never change a figure of the page that it did not measure.
"""
