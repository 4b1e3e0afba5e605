"""What an agent is given from outside: settings, clock, connections to the server.

It must never know an attempt.
"""
