"""The parts of the client by noun."""
