"""How each kind of thing looks to people: columns, details, sentences.

Called by commands with what the client returned. They must never call the server.
"""
