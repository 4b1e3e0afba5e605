"""How fast Herder is, measured on the real thing: a server process, agents, a store on disk. Run by `make bench`."""
