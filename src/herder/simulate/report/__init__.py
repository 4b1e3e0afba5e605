"""The HTML report of one or several simulations: one file that needs no network. `page.report` is called by the command."""
