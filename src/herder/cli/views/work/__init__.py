"""How batches and jobs are shown."""
