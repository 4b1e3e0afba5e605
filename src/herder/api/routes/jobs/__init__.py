"""Routes of batches, jobs and what submits them."""
