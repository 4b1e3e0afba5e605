"""What an agent gets from its environment: settings, clock, connections to the server.

It must never know an attempt.
"""
