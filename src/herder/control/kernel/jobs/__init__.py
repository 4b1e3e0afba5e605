"""What the kernel keeps of queued jobs and of usage: budgets of users, payloads in memory, rows of the ledger."""
