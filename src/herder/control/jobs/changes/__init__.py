"""What people do to submitted jobs: cancel, hold, retry, delete."""
