"""Reports, invoices and exports of costs: sums of the ledger's lines, as pages, tables and files. Knows no store, no clock and no server."""
