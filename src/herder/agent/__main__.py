"""`python -m herder.agent`: the agent with its settings from the environment, as drivers start it."""

import os
import sys

from herder.agent.environment.settings import SettingsError, from_environment
from herder.agent.main import run

if __name__ == "__main__":
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"herder agent: {error}\n")
        sys.exit(2)
    sys.exit(run(settings))
