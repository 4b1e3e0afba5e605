"""`herder mcp`: a server of the Model Context Protocol, through which a model reads what a server of Herder knows and changes it by plan and apply.

Called by the command of the same name. It reaches the server through `client` only, with the caller's token.
"""
