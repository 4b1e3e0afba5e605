"""Pages of batches and jobs: found by a search, and one by one."""
