"""How well forecasts and anomalies are found, on traces in the manner of the M4 competition and of NAB."""
