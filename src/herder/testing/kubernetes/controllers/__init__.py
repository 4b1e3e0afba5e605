"""The controllers: each keeps a queue of keys to look at, some of them later, and brings the objects in order when it is called."""
