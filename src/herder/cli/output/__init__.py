"""Everything about how results look: tables, data, details, errors. The only place of the command line that formats."""
