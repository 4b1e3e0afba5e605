"""FOCUS 1.2, the FinOps foundation's form of cost and usage data: written from the ledger's lines, read back, and checked against its rules."""
