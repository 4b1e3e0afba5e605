"""What decides in a simulation: one file for each policy, all behind `world.Policy`. `catalogue` finds them by name or file."""
