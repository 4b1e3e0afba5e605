"""Containers of attempts through the Docker Engine API, which Docker and Podman serve: the client, images, and what a container is made of.

Used by the container runtime. Nothing here knows of the server.
"""
