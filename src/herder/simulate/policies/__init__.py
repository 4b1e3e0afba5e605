"""The policies of the simulator, one file each, all with the interface `world.Policy`. `catalogue` finds them by name or file."""
