"""What an installation is observed with: the catalogue of metrics, alert rules with runbooks, and dashboards. Data and text only."""
