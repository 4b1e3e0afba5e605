"""The presentation of results: tables, data, details, errors. The only place of the command line that formats."""
