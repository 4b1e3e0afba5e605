"""Programs that run in the environment of the peers, not in Herder's: they import the peer's library and nothing of Herder."""
