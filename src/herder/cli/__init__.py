"""The command line. One file per noun in `commands/`; `output/` is the only place that formats."""
