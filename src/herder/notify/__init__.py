"""Messages to people's own servers: where they may go, how they are signed and sent."""
