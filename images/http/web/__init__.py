"""The web service: starts nginx, serves the application behind it, and reports what clients did."""
