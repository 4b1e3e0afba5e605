"""`herder demo`: a server, three pools and the jobs of two users on this machine, shown while they run and checked at the end."""
