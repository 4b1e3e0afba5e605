"""What the agent says to the server: join, activate, exchange.

It must never start a process.
"""
