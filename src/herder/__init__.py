"""Herder: a control plane for elastic pools of workers.

The package's public face is the command `herder` and the modules named in `docs/`. Everything is wired in `app.py`.
"""

__version__ = "0.1.0"
