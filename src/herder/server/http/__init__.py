"""The HTTP server: its protocol with limits, its connections."""
