"""`python -m bench.peers`, which `make bench PEERS=1` calls."""

import sys

from bench.peers.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
