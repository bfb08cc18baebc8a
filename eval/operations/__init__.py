"""How the service behaves under load, over time and when things break."""
