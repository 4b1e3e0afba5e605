"""What the kernel stores about queued jobs and usage: limits of users, payloads in memory, rows of the ledger."""
