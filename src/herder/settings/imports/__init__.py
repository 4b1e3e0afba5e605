"""What the imports of foreign files have in common: values with their paths, findings, and the file that is written. Called by `cortex` and `rosa`."""
