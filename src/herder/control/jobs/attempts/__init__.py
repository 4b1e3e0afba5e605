"""What an attempt gets: its inputs, its environment, signed URLs."""
