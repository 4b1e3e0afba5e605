"""`herder admin`: commands that open the store themselves."""
