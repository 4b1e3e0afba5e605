"""The data of a server: folder, lock, database, and the order in which they are opened."""
