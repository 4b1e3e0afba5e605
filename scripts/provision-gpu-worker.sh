#!/bin/sh
# Adds workers to pool gpu (or HERDER_POOL). All options but --count are those of `herder pool scale`.
# Example: ./scripts/provision-gpu-worker.sh --template gpu-nvidia --count 1
set -eu
count=1
left=$#
while [ "$left" -gt 0 ]; do
    case $1 in
        --count)
            [ "$left" -gt 1 ] || { echo "error: --count needs a number, as in --count 3." >&2; exit 2; }
            count=$2; shift 2; left=$((left - 2)) ;;
        --count=*) count=${1#*=}; shift; left=$((left - 1)) ;;
        *) set -- "$@" "$1"; shift; left=$((left - 1)) ;;
    esac
done
exec herder pool scale "${HERDER_POOL:-gpu}" "$count" "$@"
