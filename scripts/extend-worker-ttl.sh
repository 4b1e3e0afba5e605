#!/bin/sh
# Extends the time to live of a worker. All options but --hours are those of `herder worker extend`.
# Example: ./scripts/extend-worker-ttl.sh burst-7-1 --hours 2
set -eu
left=$#
while [ "$left" -gt 0 ]; do
    case $1 in
        --hours)
            [ "$left" -gt 1 ] || { echo "error: --hours needs a number, as in --hours 2." >&2; exit 2; }
            set -- "$@" --by "${2}h"; shift 2; left=$((left - 2)) ;;
        --hours=*) set -- "$@" --by "${1#*=}h"; shift; left=$((left - 1)) ;;
        *) set -- "$@" "$1"; shift; left=$((left - 1)) ;;
    esac
done
exec herder worker extend "$@"
