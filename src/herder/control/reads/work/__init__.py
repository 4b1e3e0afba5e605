"""Views of batches, jobs, their output, and what submits them."""
