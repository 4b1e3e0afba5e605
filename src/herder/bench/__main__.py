"""`python -m herder.bench`: the same as `herder bench`."""

import sys

from herder.bench.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
