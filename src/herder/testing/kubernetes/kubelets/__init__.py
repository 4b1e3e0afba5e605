"""Played kubelets: they report their node, start the containers of their pods as a play or as processes, and end them."""
