"""`herder demo`: a server, three pools and two users' real work on this machine, watched live and checked at the end."""
