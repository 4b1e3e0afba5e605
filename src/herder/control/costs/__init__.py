"""The ledger in a running server: samples of what lives, use by day, closed months and their lines."""
