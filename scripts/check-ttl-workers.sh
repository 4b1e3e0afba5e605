#!/bin/sh
# Lists the workers that have a time to live, in the order in which it ends.
# Example: ./scripts/check-ttl-workers.sh --pool burst
set -eu
exec herder worker list --ttl "$@"
