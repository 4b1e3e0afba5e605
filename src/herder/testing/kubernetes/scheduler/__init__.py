"""A scheduler as Kubernetes has one: filters, scores, preemption. It shares no code with Herder's planner, whose answers it checks."""
